"""Files that appear whole or not at all, and that only the rightful writer may leave behind.

On a file system by a temporary name and a rename; on an object store by one put, conditional where it has to be.
"""

import errno
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from trainables.location import Location
from trainables.remote import RemotePath
from trainables.s3 import PATIENT

Fence = Callable[[], None]
"""Raises SupersededError once somebody else owns what this process is about to write."""


class SupersededError(RuntimeError):
    """A newer attempt at the same trial has begun: this one must not write any more."""


def publish(path: Location, write: Callable[[BinaryIO], object], *, tag: str, fence: Fence | None = None) -> None:
    """Write one file so that a reader sees all of it or nothing: temporary name, fsync, rename, fsync the folder.

    tag: ends the temporary name (`.tmp-<tag>`), so that writers never share one.
    fence: asked when all but the renaming is done, since writing may hang for minutes on a lost mount. A file of
    this name that somebody left after losing the right to it gives way; should this writer have lost it between being
    asked and renaming, its file is taken away again, unless the new owner has put his in its place.
    """
    if isinstance(path, RemotePath):
        content = io.BytesIO()
        write(content)
        if fence is None:
            path.write_bytes(content.getvalue())
        else:
            _put_fenced(path, content.getvalue(), fence)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{tag}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if fence is None:
            temporary.replace(path)
        else:
            _rename_fenced(temporary, path, fence)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def create_exclusively(path: Location, content: bytes, *, durable: bool = False) -> bool:
    """Make a file that did not exist, whole; False where there is one. Of several that try, one succeeds, provided that
    their contents differ. durable: it is on the disk when this returns."""
    if isinstance(path, RemotePath):
        return path.write_new(content) is not None or path.tag_of(content) is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)
    return True


def overwrite(path: Location, content: bytes) -> None:
    """Replace the content of a file that exists by one of the same length; raises FileNotFoundError where it has gone,
    and never makes it anew."""
    if isinstance(path, RemotePath):
        tag = path.tag()
        if tag is None or path.write_over(content, tag) is None:
            raise FileNotFoundError(str(path))
        return
    with path.open("r+b") as file:
        file.write(content)


def remove(path: Location, fence: Fence | None = None) -> None:
    """Delete a file, if there is one, as its owner; raises SupersededError for anybody else.

    A request to an object store is repeated while the store does not answer, and must not be carried out when another
    owns the trial meanwhile: each try is short, and comes after the fence was asked anew.
    """
    if fence is None or isinstance(path, Path):
        if fence is not None:
            fence()
        path.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + PATIENT[1]
    while True:
        fence()
        try:
            path.unlink_soon()
        except OSError as error:
            if error.errno != errno.EIO or time.monotonic() > deadline:
                raise
        else:
            return


def sync_folder(folder: Location) -> None:
    """Make a rename in `folder` durable; a put is."""
    if isinstance(folder, RemotePath):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_fenced(temporary: Path, path: Path, fence: Fence) -> None:
    fence()
    ours = temporary.stat().st_ino
    try:
        os.link(temporary, path)
    except FileExistsError:
        fence()
        temporary.replace(path)
    try:
        fence()
    except SupersededError:
        if _inode(path) == ours:
            path.unlink(missing_ok=True)
        raise


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _put_fenced(path: RemotePath, content: bytes, fence: Fence) -> None:
    fence()
    ours = path.write_new(content)
    while ours is None:  # by somebody who lost the right, or by ourselves with an answer that was lost
        theirs = path.tag()
        fence()
        # Over what was there before the fence was asked: a put that arrives late replaces nothing of a newer owner.
        ours = path.write_new(content) if theirs is None else path.write_over(content, theirs)
    try:
        fence()
    except SupersededError:
        if path.tag() == ours:
            path.unlink()
        raise
