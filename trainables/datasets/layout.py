"""Which files of a folder are images of which class: `CLASS/*`, or `train/CLASS/*` and `test/CLASS/*`."""

import logging
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LAYOUTS = "CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png"
SHOWN = 3

Entry = os.DirEntry[str]

log = logging.getLogger(__name__)


class FolderError(ValueError):
    """A folder that cannot be used as a data set, said in one line."""


@dataclass(frozen=True)
class Layout:
    """names: relative paths of the images, sorted; classes: sorted; own_test: whether there is a folder `test`."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    own_test: bool

    def labels(self) -> list[int]:
        """Class of each image."""
        number = {name: k for k, name in enumerate(self.classes)}
        return [number[class_of(name)] for name in self.names]

    def in_test(self) -> list[bool]:
        """Whether each image lies in `test`."""
        return [self.own_test and name.startswith("test/") for name in self.names]


def normal(name: str) -> str:
    """A name as composed Unicode: file systems differ in how they keep accents."""
    return unicodedata.normalize("NFC", name)


def class_of(name: str) -> str:
    """The folder that an image lies in."""
    return normal(name.split("/")[-2])


def list_images(root: Path) -> Layout:
    """Look through a folder. Names that begin with a dot are passed over; other files that are no images are named in
    a warning. Links are followed. Raises FolderError."""
    if not root.is_dir():
        raise FolderError(f"{root} is {'a file' if root.exists() else 'not there'}; expected a folder of {LAYOUTS}.")
    try:
        return _listed(root)
    except OSError as error:
        raise FolderError(f"{root}: {error.strerror or error}: {error.filename}; make it readable.") from error


def _listed(root: Path) -> Layout:
    tops, others = _inside(root)
    own_test = {"train", "test"} <= {top.name for top in tops}
    if own_test and len(tops) > 2:
        extra = next(top.name for top in tops if top.name not in ("train", "test"))
        raise FolderError(f"{root} has a folder {extra!r} beside train and test; move it out.")
    classes = [(top.name, top) for top in tops]
    if own_test:
        parts = [(part, *_inside(Path(part))) for part in tops]
        classes = [(f"{part.name}/{each.name}", each) for part, inside, _ in parts for each in inside]
        others += [entry for _, _, beside in parts for entry in beside]
    names: list[str] = []
    for where, folder in classes:
        images, beside = _images(root, where, folder)
        names += [f"{where}/{image.name}" for image in images]
        others += beside
    names.sort(key=lambda name: (normal(name), name))
    layout = Layout(tuple(names), tuple(sorted({class_of(name) for name in names})), own_test)
    _check(root, layout, others)
    if others:
        log.warning("%s: left out, being no image in a class: %s (%d in all)", root, _some(others), len(others))
    return layout


def _inside(folder: Path) -> tuple[list[Entry], list[Entry]]:
    """Folders and other things in a folder, sorted."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    return [entry for entry in entries if entry.is_dir()], [entry for entry in entries if not entry.is_dir()]


def _images(root: Path, where: str, folder: Entry) -> tuple[list[Entry], list[Entry]]:
    """Images of one class and what else is in its folder."""
    nested, files = _inside(Path(folder))
    if nested:
        raise FolderError(
            f"{where}/{nested[0].name} in {root} is a folder where an image should be; expected {LAYOUTS}."
        )
    images = [entry for entry in files if entry.name.lower().endswith(SUFFIXES)]
    if not images and not where.startswith("test/"):
        raise FolderError(f"class {where} in {root} has no image ({', '.join(SUFFIXES)}).")
    for entry in images:
        if not entry.is_file():
            raise FolderError(f"{entry.path} is a broken link or no file; remove it.")
    return images, [entry for entry in files if not entry.name.lower().endswith(SUFFIXES)]


def _check(root: Path, layout: Layout, others: list[Entry]) -> None:
    if not layout.names:
        only = f" (only {_some(others)})" if others else ""
        raise FolderError(f"{root} has no images in folders of classes{only}; expected {LAYOUTS}.")
    if len(layout.classes) < 2:
        raise FolderError(f"{root} has one class, {layout.classes[0]!r}; expected at least two: {LAYOUTS}.")
    if not layout.own_test:
        return
    trained = {class_of(name) for name in layout.names if name.startswith("train/")}
    if missing := sorted(set(layout.classes) - trained):
        raise FolderError(f"class {missing[0]!r} of {root}/test is not in {root}/train; add images or remove it.")
    if not any(layout.in_test()):
        raise FolderError(f"{root}/test has no image; add some, or put the classes into {root} itself.")


def _some(entries: list[Entry]) -> str:
    more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    return ", ".join(entry.name for entry in entries[:SHOWN]) + more
