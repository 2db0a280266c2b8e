"""image-folder: parameters. A folder is identified by what is in it; its path is only a way to say which."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator

from trainables.datasets.facts import ImageSet
from trainables.datasets.folder import MissingDataError
from trainables.datasets.images import Count, Subset
from trainables.datasets.manifest import gone, known, register, sample_of
from trainables.registry import Real

SAMPLE = 100
"""Images of a folder that are looked at before a sweep begins; a trial looks at each."""


class ImageFolder(Subset):
    """A folder of images: CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg; every common format of 8 bits.

    `path`: the folder, relative to where the command runs; only input, replaced by `digest`, the SHA-256 of names and
    contents. `size`: the largest centred square becomes size x size pixels. `gray`: one channel in place of three.
    `test_share`: without a folder `test`, this share of each class, evenly spread over its sorted names. Classes are
    numbered in the order of their names.
    """

    name: Literal["image-folder"]
    path: str | None = Field(default=None, exclude=True)
    digest: str = ""
    size: Count
    gray: Annotated[bool, Strict()] = False
    test_share: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.2

    @model_validator(mode="before")
    @classmethod
    def _identified(cls, given: Any) -> Any:
        """Put the digest of the content in the place of a path."""
        if not isinstance(given, Mapping):
            return given
        path, digest = given.get("path"), given.get("digest")
        if path is None and digest is None:
            raise ValueError("image-folder: given no 'path', expected the folder of images; write path: ./photos.")
        if digest is not None and not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)):
            raise ValueError(f"digest: given {digest!r}, expected 64 digits 0-9 and a-f; leave it out and give 'path'.")
        if path is None:
            return given
        if not isinstance(path, str) or not path:
            raise ValueError(f"path: given {path!r}, expected the path of a folder, such as ./photos.")
        found = register(Path(path))
        if digest not in (None, found):
            raise ValueError(f"{path} has digest {found}, given {digest}; leave out the one that is wrong.")
        return {**{key: value for key, value in given.items() if key != "path"}, "digest": found}

    def whole(self) -> ImageSet:
        """From what is known of the folder with this digest."""
        folder = known(self.digest)
        test = folder.test_of_class if folder.own_test else tuple(self._held_out(n) for n in folder.of_class)
        if folder.own_test and self.test_share != 0.2:
            raise ValueError(
                f"test_share {self.test_share:g}: {folder.path} has a test folder of its own; leave it out."
            )
        train = folder.of_class if folder.own_test else tuple(n - k for n, k in zip(folder.of_class, test, strict=True))
        for part, counts in (("test", [sum(test)]), ("training", train)):
            if min(counts) == 0:
                which = "" if part == "test" else f" of class {folder.classes[train.index(0)]!r}"
                raise ValueError(f"test_share {self.test_share:g} leaves no {part} image{which}; use another share.")
        return ImageSet((1 if self.gray else 3, self.size, self.size), train, test)

    def lacks(self) -> str | None:
        """The record of the folder, or images of it: up to 100, evenly spread over the sorted names, are looked at."""
        try:
            folder = known(self.digest)
            absent = [file for file in sample_of(self.digest, SAMPLE) if not (Path(folder.path) / file.name).is_file()]
        except MissingDataError as error:
            return str(error)
        return gone(folder, absent[0]) if absent else None

    def _held_out(self, images: int) -> int:
        """Test images of a class of so many: the share, rounded half up."""
        return int(images * self.test_share + 0.5)
