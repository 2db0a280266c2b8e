"""Finding a sweep: a built-in name, a path to a YAML file, or a name that the store knows."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import UserError, reason
from orchestrator.expand import expand
from orchestrator.explain import explain
from orchestrator.revisions import newest_revision, sweep_names
from orchestrator.store import Store
from orchestrator.sweep import Sweep
from orchestrator.yaml_file import MAX_BYTES, parse_yaml
from trainables.registry import nearest
from trainables.spec import TrialSpec


@dataclass(frozen=True)
class LoadedSweep:
    """A sweep, its text as written, and its trials by id in order."""

    sweep: Sweep
    definition: str
    specs: dict[str, TrialSpec]

    @property
    def name(self) -> str:
        """Its name."""
        return self.sweep.name


def load_sweep(argument: str, store: Store | None, *, stored_first: bool = False) -> LoadedSweep:
    """A path wherever the argument ends in .yaml or .yml; else a built-in name, else a name in the store.

    stored_first: what the store says wins over a built-in of the same name (for looking back at a run).
    """
    if argument.endswith((".yaml", ".yml")):
        return parse_sweep(_read(Path(argument)), argument)
    stored = newest_revision(store, argument)[1] if store else None
    builtin = builtin_sweeps().get(argument)
    text = (stored or builtin) if stored_first else (builtin or stored)
    if text is None:
        known = {*builtin_sweeps(), *(sweep_names(store) if store else ())}
        raise UserError(f"unknown sweep {argument!r}.{nearest(argument, known)} Or give a path that ends in .yaml.")
    return parse_sweep(text, argument)


def parse_sweep(text: str, source: str) -> LoadedSweep:
    """Validate a sweep's text and expand it; `source` names it in messages."""
    raw = parse_yaml(text, source)
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise UserError(explain(error, raw, Sweep, source)) from error
    return LoadedSweep(sweep, text, expand(sweep, source))


def builtin_sweeps() -> dict[str, str]:
    """Texts of the sweeps that ship, by name."""
    folder = files("orchestrator") / "sweeps"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in found}


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than 1 MiB; a sweep is a small file: give axes, not lists of trials.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}; give the path of a sweep file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no UTF-8 text (byte {error.start}); save it as UTF-8.") from error
