"""Whether what this process would import is what it should be: our own packages, and the optional ones."""

from importlib.util import find_spec
from pathlib import Path

from orchestrator import packages
from orchestrator.errors import UserError


def refuse_shadows() -> None:
    """The import names are generic: all three packages must come from where this file is."""
    home = Path(__file__).resolve().parents[1]
    for name in packages.PACKAGES:
        found = packages.locate(name)
        if found is None or found.resolve().parent != home:
            raise UserError(
                f"the package {name!r} comes from {found or 'nowhere'}, expected {home / name};"
                " run from another folder, or use an environment of its own."
            )


def require(*names: str) -> None:
    """Running sweeps needs more than reading them."""
    for name in names:
        if find_spec(name) is None:
            raise UserError(f"{name} is not installed; running sweeps needs: pip install 'gradient-coherence[sweep]'.")
