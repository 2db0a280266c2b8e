"""`s3://bucket/key` with the methods of `pathlib.Path` that a store needs.

An object store has no folders and no renaming: a folder is there as soon as an object lies below it, making or
removing one does nothing, and an object appears whole or not at all. An instance is no `os.PathLike`, so that no
function of the operating system takes it for a local file. Every failure is an OSError.
"""

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import total_ordering
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, cast

from trainables.s3 import IMPATIENT, PATIENT, Patience, answered, client

SCHEME = "s3://"
READ_AHEAD = 2**18
"""Bytes fetched at once by `open`: one request brings the footer of a part, and all of most parts."""

Kind = Literal["object", "folder"]


@dataclass(frozen=True)
class Stat:
    """Of an object, or of the newest below a folder: seconds since 1970 UTC, bytes."""

    st_mtime: float
    st_size: int


@total_ordering
@dataclass(frozen=True, repr=False)
class RemotePath:
    """One object or folder. kind, seen: known of those that were listed, else asked for."""

    bucket: str
    key: PurePosixPath = field(default=PurePosixPath())
    kind: Kind | None = field(default=None, compare=False)
    seen: Stat | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return SCHEME + "/".join([self.bucket, *self.key.parts])

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __lt__(self, other: "RemotePath") -> bool:
        return (self.bucket, self.key) < (other.bucket, other.key)

    def __truediv__(self, part: str | PurePosixPath) -> "RemotePath":
        return RemotePath(self.bucket, self.key / part)

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.name or self.bucket

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.key.stem

    @property
    def suffix(self) -> str:
        """`.parquet` of `part-0.parquet`."""
        return self.key.suffix

    @property
    def parent(self) -> "RemotePath":
        """The folder that this lies in; the bucket of the bucket."""
        return RemotePath(self.bucket, self.key.parent)

    def with_name(self, name: str) -> "RemotePath":
        """Another last part."""
        return RemotePath(self.bucket, self.key.with_name(name))

    def with_suffix(self, suffix: str) -> "RemotePath":
        """Another suffix."""
        return RemotePath(self.bucket, self.key.with_suffix(suffix))

    def relative_to(self, other: "RemotePath") -> PurePosixPath:
        """The way from a folder to here."""
        if self.bucket != other.bucket:
            raise ValueError(f"{self} is not below {other}")
        return self.key.relative_to(other.key)

    def is_relative_to(self, other: "RemotePath") -> bool:
        """Whether this lies below a folder, or is it."""
        return self.bucket == other.bucket and self.key.is_relative_to(other.key)

    def absolute(self) -> "RemotePath":
        """This one: addresses are absolute."""
        return self

    def reach(self) -> None:
        """Raise OSError at once where the store does not answer, the bucket is missing or the credentials are wrong."""
        self._is_folder(IMPATIENT)

    def exists(self) -> bool:
        """Whether there is an object, or one below."""
        return self.kind is not None or self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is an object."""
        if self.kind is not None:
            return self.kind == "object"
        return bool(self.key.parts) and self._head() is not None

    def is_dir(self) -> bool:
        """Whether there is an object below."""
        return self.kind == "folder" if self.kind is not None else self._is_folder(PATIENT)

    def _is_folder(self, patience: Patience) -> bool:
        import obstore

        def work() -> bool:
            chunks = obstore.list(client(self.bucket, patience), prefix=self._prefix(), chunk_size=1)
            return any(len(chunk) > 0 for chunk in chunks)

        return answered(str(self), work, patience)

    def iterdir(self) -> Iterator["RemotePath"]:
        """What lies in a folder, in no order; nothing where there is none."""
        import obstore

        found = answered(str(self), lambda: obstore.list_with_delimiter(client(self.bucket), prefix=self._prefix()))
        for path in found["common_prefixes"]:
            yield RemotePath(self.bucket, PurePosixPath(path), "folder")
        for each in found["objects"]:
            seen = Stat(each["last_modified"].timestamp(), each["size"])
            yield RemotePath(self.bucket, PurePosixPath(each["path"]), "object", seen)

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """What matches below: `*`, `?` and `[...]` within a part; no `**`."""
        first, _, rest = pattern.partition("/")
        if first == "**":
            raise ValueError(f"{pattern!r}: given **, expected one pattern for each part of the path")
        if any(sign in first for sign in "*?["):
            found = (path for path in self.iterdir() if fnmatchcase(path.name, first))
        else:
            found = (path for path in (self / first,) if rest or path.exists())
        for path in found:
            if not rest:
                yield path
            elif path.kind != "object":
                yield from path.glob(rest)

    def stat(self) -> Stat:
        """Time and size, of an object that was listed those of then; raises FileNotFoundError where there is neither
        object nor folder."""
        if self.seen is not None:
            return self.seen
        found = self._head() if self.key.parts and self.kind != "folder" else None
        below = [found] if found is not None else self._below()
        if not below:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return Stat(max(one["last_modified"].timestamp() for one in below), sum(one["size"] for one in below))

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        """Read parts of an object, fetched as they are asked for, but the last READ_AHEAD bytes at once."""
        del mode
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, *self._end()), READ_AHEAD))

    def read_bytes(self) -> bytes:
        """The whole object."""
        import obstore

        return answered(str(self), lambda: bytes(obstore.get(client(self.bucket), self._path()).bytes()))

    def _end(self) -> tuple[int, bytes]:
        """Size, and the last bytes."""
        import obstore

        def work() -> tuple[int, bytes]:
            found = obstore.get(client(self.bucket), self._path(), options={"range": {"suffix": READ_AHEAD}})
            return found.meta["size"], bytes(found.bytes())

        try:
            return answered(str(self), work)
        except FileNotFoundError:
            raise
        except OSError:
            found = self._head()
            if found is None or found["size"] > 0:
                raise
            return 0, b""  # which servers refuse to give the end of

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes from `start` up to `end`."""
        import obstore

        return answered(
            str(self), lambda: bytes(obstore.get_range(client(self.bucket), self._path(), start=start, end=end))
        )

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole object as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> str:
        """Put an object, in the place of another if there is one; its entity tag."""
        return self._put(content, "overwrite") or ""

    def write_text(self, text: str, encoding: str = "utf-8") -> str:
        """Put a text."""
        return self.write_bytes(text.encode(encoding))

    def write_new(self, content: bytes) -> str | None:
        """Put an object where there is none (`If-None-Match: *`); its entity tag, or None where there is one."""
        return self._put(content, "create")

    def write_over(self, content: bytes, tag: str) -> str | None:
        """Put an object in the place of the one with this entity tag (`If-Match`); its own, or None where that one has
        gone. Also its own where this very content is there: the client repeats a put whose answer was lost."""
        done = self._put(content, {"e_tag": tag})
        if done is None and self.tag() == tag:  # Ceph's gateway compares with a tag that is not quoted
            done = self._put(content, {"e_tag": tag.strip('"')})
        return done if done is not None else self.tag_of(content)

    def tag_of(self, content: bytes) -> str | None:
        """The entity tag if the object is this content; None otherwise."""
        tag = self.tag()
        try:
            return tag if tag is not None and self.read_bytes() == content else None
        except FileNotFoundError:
            return None

    def touch(self) -> None:
        """Put an empty object."""
        self.write_bytes(b"")

    def tag(self) -> str | None:
        """The entity tag; None where there is no object."""
        found = self._head()
        return None if found is None else found["e_tag"]

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete an object. Object stores do not say whether there was one."""
        del missing_ok
        self._unlink(PATIENT)

    def unlink_soon(self) -> None:
        """The same, or an OSError within seconds; what was not answered in time may still be carried out."""
        self._unlink(IMPATIENT)

    def unlink_tree(self) -> None:
        """Delete everything below."""
        import obstore

        paths = [one["path"] for one in self._below()]
        if paths:
            answered(str(self), lambda: obstore.delete(client(self.bucket), paths))

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: folders come with what lies in them."""
        del parents, exist_ok

    def rmdir(self) -> None:
        """Nothing: folders go with what lies in them."""

    def _unlink(self, patience: Patience) -> None:
        import obstore

        answered(str(self), lambda: obstore.delete(client(self.bucket, patience), self._path()), patience)

    def _path(self) -> str:
        return str(self.key)

    def _prefix(self) -> str | None:
        return str(self.key) if self.key.parts else None

    def _head(self) -> Any:
        import obstore

        try:
            return answered(str(self), lambda: obstore.head(client(self.bucket), self._path()))
        except FileNotFoundError:
            return None

    def _below(self) -> list[Any]:
        import obstore

        def work() -> list[Any]:
            return [one for chunk in obstore.list(client(self.bucket), prefix=self._prefix()) for one in chunk]

        return answered(str(self), work)

    def _put(self, content: bytes, mode: Any) -> str | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def work() -> str | None:
            try:
                # Never in several parts: conditions hold for a put of one piece only.
                put = obstore.put(client(self.bucket), self._path(), content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            return put["e_tag"] or ""

        return answered(str(self), work)


class _Ranges(io.RawIOBase):
    """An object as a seekable file."""

    def __init__(self, path: RemotePath, size: int, end: bytes) -> None:
        super().__init__()
        self._remote, self._size, self._known, self._at = path, size, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        known, length = self._at - (self._size - len(self._known)), end - self._at
        content = self._known[known : known + length] if known >= 0 else self._remote.read_range(self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
