"""Where files lie: a folder of a file system, or `s3://bucket/prefix`; what differs between the two is here."""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from trainables.remote import SCHEME, RemotePath

if TYPE_CHECKING:
    import pyarrow as pa

Location = Path | RemotePath
AT_ONCE = 32
"""Requests to an object store at once; each takes some 10 to 100 ms, whatever the machine does."""

One = TypeVar("One")
Other = TypeVar("Other")

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class LocationError(ValueError):
    """An address that is none, or of a kind that cannot be used."""


def locate(text: str | Location) -> Location:
    """A location from what a user wrote. Raises LocationError for an address that is not `s3://bucket/prefix`."""
    if isinstance(text, RemotePath):
        return text
    match = _ADDRESS.fullmatch(str(text))
    if match is None:
        return Path(text)
    scheme, rest = match.groups()
    if f"{scheme.lower()}://" != SCHEME:
        raise LocationError(f"{scheme}:// cannot be used; give a folder that all nodes see, or s3://bucket/prefix.")
    bucket, _, key = rest.partition("/")
    if "@" in bucket:
        raise LocationError(
            "an address must not hold credentials; leave them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if not _BUCKET.fullmatch(bucket):
        raise LocationError(f"{text}: {bucket!r} cannot be the name of a bucket; give s3://bucket/prefix.")
    parts = [part for part in key.split("/") if part]
    if {".", ".."} & set(parts):
        raise LocationError(f"{text}: . and .. mean nothing in an object store; give s3://bucket/prefix.")
    found = RemotePath(bucket)
    for part in parts:
        found = found / part
    return found


def in_order(paths: Iterable[Location]) -> list[Location]:
    """Sorted by what they are called."""
    return sorted(paths, key=str)


def relative(path: Location, root: Location) -> str:
    """The way from a folder to what lies below it."""
    if isinstance(path, RemotePath) and isinstance(root, RemotePath):
        return str(path.relative_to(root))
    if isinstance(path, Path) and isinstance(root, Path):
        return str(path.relative_to(root))
    raise ValueError(f"{path} is not below {root}")


def parquet_source(path: Location) -> "Path | pa.BufferReader":
    """What pyarrow reads a whole file from: its path, or all of an object, fetched by one request."""
    if isinstance(path, Path):
        return path
    import pyarrow as pa

    return pa.BufferReader(path.read_bytes())


def remove_tree(path: Location) -> None:
    """Delete a folder and what is in it; raises FileNotFoundError where a file system has none."""
    if isinstance(path, RemotePath):
        path.unlink_tree()
    else:
        shutil.rmtree(path)


def each(work: Callable[[One], Other], items: Iterable[One], root: Location) -> Iterator[Other]:
    """`work` on every item, results in order; on an object store, where each waits for answers, many at once."""
    if isinstance(root, Path):
        yield from map(work, items)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(work, items)


@contextmanager
def local_file(path: Location) -> Iterator[Path]:
    """A file of this machine to write to, which lies at `path` when the block ends well."""
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with TemporaryDirectory() as folder:
        written = Path(folder) / path.name
        yield written
        if written.exists():
            path.write_bytes(written.read_bytes())


def beside(root: Location) -> Path:
    """A folder of this machine for what belongs to a store and cannot lie in an object store: logs, W&B's files."""
    if isinstance(root, Path):
        return root
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home.joinpath("gradient-coherence", root.bucket, *root.key.parts)
