"""Finding a sweep: a built-in name, a path to a YAML file, or a name that the store knows; at one of its scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import UserError, reason
from orchestrator.expand import expand
from orchestrator.explain import explain
from orchestrator.resources import Request, largest
from orchestrator.revisions import newest_revision, sweep_names
from orchestrator.scale import scaled, scaled_name
from orchestrator.store import Store
from orchestrator.sweep import Sweep
from orchestrator.yaml_file import MAX_BYTES, parse_yaml
from trainables.registry import nearest
from trainables.spec import TrialSpec


@dataclass(frozen=True)
class LoadedSweep:
    """A sweep, its text as written, and its trials by id in order. members: of a collection, its sweeps."""

    sweep: Sweep
    definition: str
    specs: dict[str, TrialSpec]
    members: tuple["LoadedSweep", ...] = ()

    @property
    def name(self) -> str:
        """Its name, with the scale."""
        return self.sweep.name

    @property
    def resources(self) -> Request:
        """What a trial may take: of a collection the most that any member asks."""
        return largest([member.resources for member in self.members] or [self.sweep.resources])


def load_sweep(
    argument: str, store: Store | None, *, scale: str | None = None, stored_first: bool = False
) -> LoadedSweep:
    """A path wherever the argument ends in .yaml or .yml; else a built-in name, else a name in the store.

    scale: a size that the sweep names; `NAME.SCALE` says the same. A sweep of a collection that does not name the
    scale has one size, and is taken as it is.
    stored_first: what the store says wins over a built-in of the same name (for looking back at a run).
    """
    if argument.endswith((".yaml", ".yml")):
        return _loaded(_read(Path(argument)), argument, scale, store)
    name = scaled_name(argument, scale)
    found = find_text(name, store, stored_first=stored_first)
    if found is None and find_text(argument, store, stored_first=stored_first) is not None:
        found = find_text(argument, store, stored_first=stored_first)  # the refusal names the scales that there are
    if found is None:
        known = {*builtin_sweeps(), *(sweep_names(store) if store else ())}
        raise UserError(f"unknown sweep {argument!r}.{nearest(argument, known)} Or give a path that ends in .yaml.")
    text, stored_scale = found
    return _loaded(text, argument, scale or stored_scale, store)


def find_text(name: str, store: Store | None, *, stored_first: bool = False) -> tuple[str, str | None] | None:
    """The text of a sweep by name or by `NAME.SCALE`, and the scale."""
    stored = newest_revision(store, name)[1] if store else None
    texts = builtin_sweeps()
    base, _, last = name.rpartition(".")
    builtin = texts.get(name) or (texts.get(base) if last in scale_names(texts.get(base)) else None)
    text = (stored or builtin) if stored_first else (builtin or stored)
    if text is None:
        return None
    written = str(parse_yaml(text, name).get("name"))
    return text, name.removeprefix(f"{written}.") if name.startswith(f"{written}.") else None


def scale_names(text: str | None) -> list[str]:
    """Scales that the text of a sweep names; of a collection, those that its built-in members name."""
    if text is None:
        return []
    raw = parse_yaml(text, "sweep")
    found = dict.fromkeys(raw.get("scales") or {})
    for member in raw.get("sweeps") or ():
        found |= dict.fromkeys(scale_names(builtin_sweeps().get(member)))
    return list(found)


def parse_sweep(text: str, source: str, scale: str | None = None) -> LoadedSweep:
    """Validate a sweep's text and expand it, at a scale; `source` names it in messages."""
    return _loaded(text, source, scale, None)


def collect_sweeps(name: str, arguments: Sequence[str], store: Store | None, scale: str | None) -> LoadedSweep:
    """Several sweeps as one, each at the scale where it names it; a single one is itself."""
    members = tuple(load_member(argument, store, scale) for argument in arguments)
    if len(members) == 1:
        return members[0]
    sweep = Sweep(name=scaled_name(name, scale), sweeps=tuple(arguments))
    definition = f"name: {name}\nsweeps: [{', '.join(arguments)}]\n"
    return LoadedSweep(sweep, definition, _union(members), members)


def builtin_sweeps() -> dict[str, str]:
    """Texts of the sweeps that ship, by name."""
    folder = files("orchestrator") / "sweeps"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in found}


def _loaded(text: str, source: str, scale: str | None, store: Store | None) -> LoadedSweep:
    raw = parse_yaml(text, source)
    sweep = _validated(raw, source)
    if sweep.sweeps:
        members = tuple(load_member(name, store, scale) for name in sweep.sweeps)
        if scale and not any(member.name.endswith(f".{scale}") for member in members):
            raise UserError(f"{source}: no sweep of the collection has the scale {scale!r}.{_scales(text)}")
        named = sweep.model_copy(update={"name": scaled_name(sweep.name, scale)})
        return LoadedSweep(named, text, _union(members), members)
    if scale is not None:
        if scale not in sweep.scales:
            raise UserError(f"{source}: there is no scale {scale!r} of this sweep.{_scales(text)}")
        source = f"{source}, scale {scale}"
        sweep = _validated(scaled(raw, scale), source)
    specs = expand(sweep, source)
    _check_rungs(sweep, specs, source)
    return LoadedSweep(sweep, text, specs)


def _check_rungs(sweep: Sweep, specs: dict[str, TrialSpec], source: str) -> None:
    """Early stopping at a rung that no trial comes to would be silently off."""
    if sweep.early_stopping is None:
        return
    last, end = max(sweep.early_stopping.rungs), max(spec.total_steps for spec in specs.values())
    if last >= end:
        raise UserError(
            f"{source}: early_stopping.rungs: given {last}, but the longest trial has {end} steps; expected fewer."
        )


def _validated(raw: dict[str, Any], source: str) -> Sweep:
    try:
        return Sweep.model_validate(raw)
    except ValidationError as error:
        raise UserError(explain(error, raw, Sweep, source)) from error


def load_member(name: str, store: Store | None, scale: str | None) -> LoadedSweep:
    """A sweep by name, at the scale where it names it, else at its one size."""
    found = find_text(scaled_name(name, scale), store) or find_text(name, store)
    if found is None:
        known = {*builtin_sweeps(), *(sweep_names(store) if store else ())}
        raise UserError(f"sweeps: unknown sweep {name!r}.{nearest(name, known)}")
    text, own = found
    if parse_yaml(text, name).get("sweeps"):
        raise UserError(f"sweeps: {name!r} is a collection itself; name its sweeps.")
    return _loaded(text, name, own, store)


def _union(members: Sequence[LoadedSweep]) -> dict[str, TrialSpec]:
    return {identity: spec for member in members for identity, spec in member.specs.items()}


def _scales(text: str) -> str:
    names = scale_names(text)
    return f" Known: {', '.join(names)}." if names else " It has one size; leave --scale out."


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than 1 MiB; a sweep is a small file: give axes, not lists of trials.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}; give the path of a sweep file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no UTF-8 text (byte {error.start}); save it as UTF-8.") from error
