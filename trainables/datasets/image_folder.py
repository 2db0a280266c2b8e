"""image-folder: images decoded when they are asked for, each once where all of them fit in memory."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainables.datasets.arrays import Arrays, stratified_split
from trainables.datasets.decode import pixels
from trainables.datasets.folder import MissingDataError
from trainables.datasets.folders import ImageFolder
from trainables.datasets.layout import Layout
from trainables.datasets.lazy import Image, Lazy, derived, fits
from trainables.datasets.manifest import File, Folder, files_of, gone, known
from trainables.datasets.subset import subset


def load(choice: ImageFolder) -> Arrays:
    """Images [n, 1 or 3, size, size], pixels in [0, 1], in the order of their names. Raises MissingDataError where the
    folder is not known, or is not what it was."""
    folder = known(choice.digest)
    reader = _reader(folder, choice.size, choice.gray)
    layout = Layout(tuple(file.name for file in reader.files), folder.classes, folder.own_test)
    labels, whole = np.array(layout.labels(), dtype=np.int64), choice.whole()
    if folder.own_test:
        in_test = np.array(layout.in_test())
        train, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    else:
        train, test = stratified_split(labels, dict(enumerate(whole.test_of_class)))
    identity = derived(choice.digest, f"{choice.size}/{choice.gray}".encode())
    images = Lazy(reader.read, (len(labels), *whole.shape), identity, threaded=True)
    return subset(Arrays(images.pick(train), labels[train], images.pick(test), labels[test]), choice)


@lru_cache(maxsize=1)
def _reader(folder: Folder, size: int, gray: bool) -> "_Reader":
    """One for the trials of a process that share a folder."""
    return _Reader(folder, size, gray)


class _Reader:
    """Reads images of a folder and refuses what is not as it was when the digest was taken."""

    def __init__(self, folder: Folder, size: int, gray: bool) -> None:
        self._folder, self._size, self._gray = folder, size, gray
        self.files = files_of(folder.digest)
        for file in self.files:
            self._check_there(file)
        shape = (len(self.files), 1 if gray else 3, size, size)
        self._kept: npt.NDArray[np.uint8] | None = np.empty(shape, dtype=np.uint8) if fits(shape, 1) else None
        self._filled = np.zeros(len(self.files), dtype=bool)

    def read(self, i: int) -> Image:
        """Image i in [0, 1]. Two threads that meet at one image both do the same work."""
        if self._kept is None:
            found = self._decoded(i)
        else:
            if not self._filled[i]:
                self._kept[i] = self._decoded(i)
                self._filled[i] = True
            found = self._kept[i]
        return np.divide(found, np.float32(255), dtype=np.float32)

    def _decoded(self, i: int) -> npt.NDArray[np.uint8]:
        file = self.files[i]
        content = self._content(file)
        return pixels(content, self._size, self._gray)

    def _content(self, file: File) -> bytes:
        path = Path(self._folder.path) / file.name
        try:
            mtime_ns, content = path.stat().st_mtime_ns, path.read_bytes()
        except OSError as error:
            raise self._gone(file) from error
        same = (len(content), mtime_ns) == (file.size, file.mtime_ns)
        if not same and hashlib.sha256(content).hexdigest() != file.sha256:
            raise self._gone(file)
        return content

    def _check_there(self, file: File) -> None:
        """Without reading: size and time are as they were, else the content is."""
        path = Path(self._folder.path) / file.name
        try:
            status = path.stat()
        except OSError as error:
            raise self._gone(file) from error
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            self._content(file)

    def _gone(self, file: File) -> MissingDataError:
        return MissingDataError(gone(self._folder, file))
