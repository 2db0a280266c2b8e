"""Checkpoints: all that a bit-exact resume needs, saved so that a crash leaves a whole one.

Checkpoint k stands for the parts 0..k of a trial's tables: it is saved after them. Data order, corruption
and probe sample come from named streams that begin anew each epoch or trial, so no generator is kept.
"""

import hashlib
import io
from typing import Any, BinaryIO

import torch

from trainables.location import Location, remove_tree
from trainables.records import NUMERICS_VERSION
from trainables.storage import Fence, publish

NUMERICS = "numerics_version"
PARTS = "parts"
KEPT = 2
"""The newest and, in case that cannot be read, the one before."""


class DamagedCheckpointError(ValueError):
    """The bytes of a checkpoint are not the ones that were saved."""


class StaleCheckpointError(DamagedCheckpointError):
    """A checkpoint of another numerics version: going on from it would mix two versions' numbers in one trial."""


class CheckpointFolder:
    """`<path>/checkpoint-<k>.pt`, k = 0, 1, ...: SHA-256 of the content, then the content as torch saves it.

    Loaded with `weights_only`, and only when digest and numerics version agree. parts: what the sink has written, as
    each checkpoint remembers it (`ParquetSink.written`). fence, tag: as in `storage.publish`.
    """

    def __init__(
        self,
        path: Location,
        parts: dict[str, tuple[int, int]] | None = None,
        fence: Fence | None = None,
        tag: str = "saving",
    ) -> None:
        self.path, self._parts, self._fence, self._tag = path, parts, fence, tag

    def _file(self, k: int) -> Location:
        return self.path / f"checkpoint-{k}.pt"

    def _numbers(self) -> list[int]:
        return sorted(int(file.stem.removeprefix("checkpoint-")) for file in self.path.glob("checkpoint-*.pt"))

    def save(self, k: int, content: dict[str, Any]) -> None:
        """Write checkpoint k whole; then drop all but the last KEPT."""
        buffer = io.BytesIO()
        whole = {**content, NUMERICS: NUMERICS_VERSION}
        torch.save(whole if self._parts is None else {**whole, PARTS: dict(self._parts)}, buffer)

        def write(file: BinaryIO) -> None:
            file.write(hashlib.sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())

        publish(self._file(k), write, tag=self._tag, fence=self._fence)
        for old in self._numbers():
            if old <= k - KEPT:
                self.drop(old)

    def drop(self, k: int) -> None:
        """Remove checkpoint k."""
        self._file(k).unlink(missing_ok=True)

    def load(self, k: int) -> dict[str, Any]:
        """Content of checkpoint k. Raises DamagedCheckpointError when its digest disagrees, StaleCheckpointError when
        its numerics version does."""
        content = self._content(k)
        content.pop(PARTS, None)
        return content

    def parts(self, k: int) -> dict[str, tuple[int, int]] | None:
        """The parts that checkpoint k remembers; None in one that was saved without."""
        found = self._content(k).get(PARTS)
        return None if found is None else dict(found)

    def _content(self, k: int) -> dict[str, Any]:
        saved = self._file(k).read_bytes()
        if hashlib.sha256(saved[32:]).digest() != saved[:32]:
            raise DamagedCheckpointError(f"{self._file(k)} is not what was saved")
        content = torch.load(io.BytesIO(saved[32:]), map_location="cpu", weights_only=True)
        assert isinstance(content, dict)
        if (version := content.pop(NUMERICS, None)) != NUMERICS_VERSION:
            raise StaleCheckpointError(f"{self._file(k)} is of numerics version {version}, not {NUMERICS_VERSION}")
        return content

    def newest(self) -> int | None:
        """The largest k whose file can be gone on from, or None. A damaged file costs the work since the one before."""
        for k in reversed(self._numbers()):
            try:
                self.load(k)
            except DamagedCheckpointError:
                continue
            return k
        return None

    def newest_step(self) -> int:
        """Step of the newest readable checkpoint; 0 without one."""
        k = self.newest()
        return 0 if k is None else int(self.load(k)["step"])

    def clear(self) -> None:
        """Remove all checkpoints and the folder."""
        if self.path.exists():
            remove_tree(self.path)
