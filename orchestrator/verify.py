"""Verify: does a trial of the store, replayed here, pass through the same states, bit for bit?

A replay begins at step 0: the checkpoints of a trial go when it is done.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import UserError, one_line
from orchestrator.plugins_used import described
from orchestrator.provenance import collect
from orchestrator.reading import Damage
from orchestrator.replay import Comparison, Difference, Digests, Tensors, replay
from orchestrator.states import last_attempt
from orchestrator.store import COMPACTED, Store
from trainables.records import NUMERICS_VERSION, SCHEMAS
from trainables.spec import parse_spec

SECONDS = 60.0
"""After which a replay that was given no number of steps ends."""
_TOLD = ("torch", "numpy", "gradient-coherence")


@dataclass(frozen=True)
class Verdict:
    """What a replay came to. same: steps at which every tensor was the same. left: later steps that have digests.
    remarks: what else is not as it was, where there is a difference."""

    trial_id: str
    same: tuple[int, ...]
    left: tuple[int, ...]
    difference: Difference | None
    remarks: tuple[str, ...]


def verify(
    store: Store,
    trial_id: str,
    damage: Damage,
    *,
    first: int = 0,
    steps: int | None = None,
    seconds: float = SECONDS,
    device: str | None = None,
) -> Verdict:
    """Replay a finished trial and compare the digests of the steps `first` to `first + steps`; without `steps`, as many
    as about `seconds` seconds allow. Raises UserError where there is nothing to compare."""
    row = _trial(store, trial_id, damage)
    known = stored_digests(store, trial_id, damage)
    wanted = _chosen(known, trial_id, first, steps)
    comparison = Comparison(wanted, seconds if steps is None else None)
    try:
        result = replay(parse_spec(row["spec"]), comparison, device)
    except (OSError, RuntimeError, ValueError) as error:
        said = one_line(f"{type(error).__name__}: {error}", 300)
        raise UserError(f"trial {trial_id} cannot be replayed here: {said}") from error
    last = max([*comparison.same, *([comparison.difference.step] if comparison.difference else [])])
    remarks: list[str] = []
    if comparison.difference:
        device_then = last_attempt(store, trial_id, ["device"], damage).get("device")
        remarks = [
            *_changed("outcome", row["outcome"], None if result.outcome == "interrupted" else result.outcome),
            *_changed("data", row["data_sha256"], result.facts.get("data_sha256")),
            *_changed("device", device_then, result.device),
            *_surroundings(json.loads(row["provenance"] or "{}"), json.loads(collect(store.root))),
        ]
    left = tuple(step for step in sorted(known) if step > last)
    return Verdict(trial_id, tuple(comparison.same), left, comparison.difference, tuple(remarks))


def stored_digests(store: Store, trial_id: str, damage: Damage) -> Digests:
    """Digests of a trial by step, from its own parts or from those of a compacted copy."""
    found: dict[int, Tensors] = {}
    for folder in (trial_id, COMPACTED):
        for path in store.parts("digests", folder):
            for row in damage.rows(path, SCHEMAS["digests"].names):
                if row["trial_id"] == trial_id:
                    found.setdefault(row["step"], {})[row["kind"], row["name"]] = row["sha256"]
    return found


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """What the command prints."""
    same, found = verdict.same, verdict.difference
    if found is None:
        yield f"trial {verdict.trial_id}: every tensor is the same at {_steps(same)}"
        if verdict.left:
            yield f"not replayed: {_steps(verdict.left)}; --steps N compares more"
        return
    stored, replayed = found.stored or "absent", found.replayed or "absent"
    others = f"; {found.differing} tensors differ there" if found.differing > 1 else "; no other tensor differs there"
    yield f"trial {verdict.trial_id}: first difference at step {found.step}: {found.kind} {found.name}"
    yield f"  stored {stored}, replayed {replayed}{others}"
    yield f"  before: {f'the same at {_steps(same)}' if same else 'no step was compared'}"
    yield from (f"  not as it was: {remark}" for remark in verdict.remarks)


def _steps(steps: tuple[int, ...]) -> str:
    if len(steps) == 1:
        return f"step {steps[0]}"
    return f"{len(steps)} steps with digests, {steps[0]} to {steps[-1]}"


def _trial(store: Store, trial_id: str, damage: Damage) -> dict[str, Any]:
    """The trial's row of `trials`."""
    if not re.fullmatch(r"[0-9a-f]{12}", trial_id):
        raise UserError(f"trial {trial_id!r}: expected 12 hex digits, as in the column trial_id of `trials`.")
    columns = ["trial_id", "spec", "outcome", "data_sha256", "numerics_version", "provenance"]
    rows = [row for name in (trial_id, COMPACTED) for row in damage.rows(store.trial_file(name), columns)]
    row = next((row for row in rows if row["trial_id"] == trial_id), None)
    if row is None:
        raise UserError(
            f"trial {trial_id} is not done in {store.root}: run its sweep first, or choose another --store."
        )
    if row["numerics_version"] != NUMERICS_VERSION:
        raise UserError(
            f"trial {trial_id} is of numerics version {row['numerics_version']}, this one gives those of version"
            f" {NUMERICS_VERSION}; replace it with `coherence run SWEEP --rerun-stale`."
        )
    return row


def _chosen(known: Digests, trial_id: str, first: int, steps: int | None) -> Digests:
    if not known:
        raise UserError(
            f"trial {trial_id} has no digests: it ran before there were any. To make it again, delete its folder in"
            " `trials` and run its sweep."
        )
    wanted = {
        step: tensors for step, tensors in known.items() if first <= step and (steps is None or step <= first + steps)
    }
    if not wanted:
        asked = f"from {first}" if steps is None else f"{first} to {first + steps}"
        raise UserError(f"trial {trial_id} has no digests at the steps {asked}; it has at {sorted(known)}.")
    return wanted


def _surroundings(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    yield from _changed("CPU", then.get("cpu"), now["cpu"])
    yield from _changed("code", then.get("sources"), now["sources"])
    for name, plugin in then.get("plugins", {}).items():
        here = described(name)
        yield from _changed(f"plugin {name}", f"{plugin['version']} ({plugin['sources']})", here)
    for name in _TOLD:
        yield from _changed(name, then.get("versions", {}).get(name), now["versions"].get(name))


def _changed(what: str, then: object, now: object) -> Iterator[str]:
    if then is not None and now is not None and then != now:
        yield f"{what} was {then}, here {now}"
