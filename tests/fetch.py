"""Copy a store into a folder, object by object: `python -m tests.fetch s3://bucket/prefix FOLDER`."""

import sys
from pathlib import Path

from tests.files import files
from trainables.location import Location, each, locate


def fetch(store: Location, folder: Path) -> list[str]:
    """Copy everything; the names of all files."""
    names = files(store)

    def copy(name: str) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((store / name).read_bytes())

    list(each(copy, names, store))
    return names


if __name__ == "__main__":
    fetch(locate(sys.argv[1]), Path(sys.argv[2]))
