"""What lies below a place, whatever kind it is of."""

from trainables.location import Location, relative


def files(root: Location) -> list[str]:
    """Names of all files, relative to the root, sorted."""
    return sorted(relative(path, root) for path in _below(root))


def _below(folder: Location) -> list[Location]:
    found = list[Location]()
    for path in folder.iterdir():
        found += _below(path) if path.is_dir() else [path]
    return found
