"""Folders of images known on this machine, by the digest of their content.

`data_root()/folders/<digest>.json` says where a folder lies and what is in it, `<digest>.files.json` lists its files
as [name, bytes, modification time in ns, SHA-256], and `at-<hash of a path>.json` holds what lay at a path when it was
last looked at, so that a folder that did not change is not read again. All can be deleted: giving `path:` makes them.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from trainables.datasets.decode import check
from trainables.datasets.folder import VARIABLE, MissingDataError, data_root
from trainables.datasets.layout import FolderError, Layout, list_images, normal

THREADS = 4
SETTLED_NS = 2 * 10**9
"""A file written less than this before it was read may change again without its time telling: read it anew."""


@dataclass(frozen=True)
class File:
    """One image: relative name, size in bytes, modification time, SHA-256 of its bytes; time 0 is never trusted."""

    name: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Folder:
    """A folder of images: where it lies, its classes, and images of each class outside and inside `test`."""

    digest: str
    path: str
    classes: tuple[str, ...]
    own_test: bool
    of_class: tuple[int, ...]
    test_of_class: tuple[int, ...]


def register(path: Path) -> str:
    """Look at a folder and remember it under the digest of its content, which is returned.

    Digest: SHA-256 over the relative name (composed Unicode, UTF-8) and the SHA-256 of the bytes of every image, sorted
    by name; where the folder lies does not enter. Raises FolderError with one line.
    """
    root = Path(os.path.normpath(path.expanduser().absolute()))
    layout = list_images(root)
    files = _read_files(root, layout.names, _remembered(root))
    digest = content_digest(files)
    _remember(digest, root, layout, files)
    return digest


def content_digest(files: Iterable[File]) -> str:
    """The identity of a folder with these images."""
    total = hashlib.sha256()
    for file in files:
        name = normal(file.name).encode("utf-8", "surrogateescape")
        total.update(b"%d:%s%s" % (len(name), name, bytes.fromhex(file.sha256)))
    return total.hexdigest()


def known(digest: str) -> Folder:
    """The folder with this content. Raises MissingDataError where this machine has not seen it."""
    return Folder(**{key: _frozen(value) for key, value in _head(_place() / f"{digest}.json", digest).items()})


def files_of(digest: str) -> list[File]:
    """The images of a known folder, sorted by name."""
    return [File(*row) for row in _parsed(_place() / f"{digest}.files.json", digest)]


def sample_of(digest: str, most: int) -> list[File]:
    """At most so many images of a known folder, evenly spread over the sorted names."""
    files = files_of(digest)
    count = min(most, len(files))
    return [files[i * len(files) // count] for i in range(count)]


def gone(folder: Folder, file: File) -> str:
    """What to tell where an image is not as it was."""
    return (
        f"{Path(folder.path) / file.name} is missing or not what it was when the folder got digest"
        f" {folder.digest}; restore it, or give 'path:' again, which makes another data set of it."
    )


def _parsed(path: Path, digest: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingDataError(
            f"the image folder with digest {digest} is not known in {path.parent}. Give its 'path:' again on this"
            f" machine, or name a folder that knows it, seen by every node, in the environment variable {VARIABLE}."
        ) from error


_head = lru_cache(maxsize=64)(_parsed)
"""What is asked for with every trial of a plan; lists of files may be long and are not kept."""


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _place() -> Path:
    return data_root() / "folders"


def _pointer(root: Path) -> Path:
    return _place() / f"at-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json"


def _remembered(root: Path) -> dict[str, File]:
    """What was at this path when it was last looked at: a cache, empty where it cannot be read."""
    try:
        rows = json.loads(_pointer(root).read_text(encoding="utf-8"))
        return {row[0]: File(*row) for row in rows}
    except (OSError, ValueError, TypeError):
        return {}


def _read_files(root: Path, names: tuple[str, ...], old: dict[str, File]) -> list[File]:
    """Digest and check every image that is not as it was."""

    found = {name: file for name in names if (file := old.get(name)) and _unchanged(f"{root}/{name}", file)}
    anew = [name for name in names if name not in found]
    with ThreadPoolExecutor(THREADS) as pool:
        found.update(zip(anew, pool.map(lambda name: _read_file(root, name), anew), strict=True))
    return [found[name] for name in names]


def _unchanged(path: str, file: File) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every image of a folder that may hold a million
    except OSError:
        return False  # reading it says why
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _read_file(root: Path, name: str) -> File:
    try:
        status, began = (root / name).stat(), time.time_ns()
        content = (root / name).read_bytes()
    except OSError as error:
        raise FolderError(f"{root / name} cannot be read ({error.strerror}).") from error
    try:
        check(content)
    except ValueError as error:
        raise FolderError(f"{root / name} cannot be decoded ({error}); repair or remove it.") from error
    settled = began - status.st_mtime_ns > SETTLED_NS
    return File(name, len(content), status.st_mtime_ns if settled else 0, hashlib.sha256(content).hexdigest())


def _remember(digest: str, root: Path, layout: Layout, files: list[File]) -> None:
    counts = [[0] * len(layout.classes), [0] * len(layout.classes)]
    for label, in_test in zip(layout.labels(), layout.in_test(), strict=True):
        counts[in_test][label] += 1
    head = Folder(digest, str(root), layout.classes, layout.own_test, *(tuple(count) for count in counts))
    rows = [[file.name, file.size, file.mtime_ns, file.sha256] for file in files]
    _write(_place() / f"{digest}.files.json", rows)
    _write(_place() / f"{digest}.json", vars(head))
    _write(_pointer(root), rows)
    _head.cache_clear()


def _write(path: Path, content: Any) -> None:
    """Whole or not at all; nothing is written where the same is there already."""
    text = json.dumps(content)
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not a temporary file of the library's: others, who may read the folder, must be able to read this.
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise FolderError(
            f"{path.parent} cannot be written to ({error.strerror}); name another folder in the environment variable"
            f" {VARIABLE}."
        ) from error
