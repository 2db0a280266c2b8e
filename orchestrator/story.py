"""The story of one trial, from everything that the store knows of it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import polars as pl

from orchestrator.arms import flatten
from orchestrator.errors import UserError, one_line
from orchestrator.history import attempt_row
from orchestrator.reading import Damage
from orchestrator.remaining import duration
from orchestrator.revisions import specs_of, sweep_names
from orchestrator.rows import table_of
from orchestrator.spark import spark
from orchestrator.states import trial_states
from orchestrator.store import COMPACTED, Store
from trainables.estimators import alpha_unbiased_of_one, m_coherence, rescaled_m_coherence
from trainables.records import CURVES, part_number

SPLITS = ("train", "test", "pristine", "corrupt")
PER_DECADE = 5
"""Windows of steps whose probes are pooled, beyond step 10."""

CURVE = 40
LISTED = 5


def find_trial(store: Store, text: str) -> str:
    """The one trial whose id begins so. Raises UserError for none and for several, which are listed."""
    known = {identity for name in sweep_names(store) for identity in specs_of(store, name)}
    for table in ("trials", "attempts"):
        known |= {folder for folder in store.trial_folders(table) if folder != COMPACTED}
    found = sorted(identity for identity in known if identity.startswith(text.lower()))
    if len(found) == 1 or text in found:
        return text if text in found else found[0]
    if not found:
        near = ", ".join(sorted(known)[:LISTED]) or "none"
        raise UserError(f"no trial of {store.root} begins with {text!r}; it has {len(known)}: {near}, ...")
    listed = ", ".join(found[:LISTED]) + (", ..." if len(found) > LISTED else "")
    raise UserError(f"{len(found)} trials of {store.root} begin with {text!r}: {listed}; write more of the id.")


def story(store: Store, trial_id: str, at: str = "") -> dict[str, Any]:
    """Plain data, as `--json` prints it. at: what commands that are suggested need beside the trial to find the store.

    choices: of the spec, what differs from a default. coherence: m-coherence of the probe, the training batch's where
    there is none, as ratios of sums over windows of steps; null without a measured step.
    """
    sweeps = {name: text for name in sweep_names(store) if (text := specs_of(store, name).get(trial_id))}
    done = table_of(store, "trials", trial_id)
    row = done.row(0, named=True) if done.height else {}
    text = row.get("spec") or next(iter(sweeps.values()), "{}")
    choices = flatten(json.loads(text))
    (state,) = trial_states(store, [trial_id], Damage()).values()
    numbers = sorted(part_number(path) for path in store.parts("attempts", trial_id))
    checkpoints = sorted(path.name for path in store.checkpoints(trial_id).glob("*"))
    return {
        "trial_id": trial_id,
        "state": state,
        "sweeps": list(sweeps),
        "choices": choices,
        "attempts": [_attempt(attempt_row(store, trial_id, number)) for number in numbers],
        "outcome": row.get("outcome"),
        "reason": row.get("reason"),
        "steps": row.get("steps"),
        "final_accuracy": {s: row[f"final_{s}_accuracy"] for s in SPLITS if row.get(f"final_{s}_accuracy") is not None},
        "final_train_loss": row.get("final_train_loss"),
        "coherence": _coherence(store, trial_id, choices.get("estimator_k", 1)),
        "rows": {table: table_of(store, table, trial_id).height for table in CURVES},
        "data_sha256": row.get("data_sha256"),
        "checkpoints": checkpoints,
        "provenance": json.loads(row.get("provenance") or "{}"),
        "next": list(_next_moves(state, trial_id, list(sweeps), at)),
    }


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    began, ended = row.get("started_at"), row.get("ended_at")
    message = row.get("message")
    return {
        **{key: row.get(key) for key in ("attempt", "outcome", "start_step", "end_step", "host", "device", "failure")},
        "began": None if began is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(began)),
        "seconds": None if began is None or ended is None else round(ended - began, 1),
        "cpu_s": row.get("cpu_s"),
        "said": one_line(message.strip().splitlines()[-1], 200) if message else None,
    }


def _coherence(store: Store, trial_id: str, k: int) -> dict[str, Any] | None:
    """k: examples of a unit."""
    layers = table_of(store, "layers", trial_id)
    probe = layers.filter((pl.col("source") == "probe") & (pl.col("layer") == "*") & (pl.col("group") == "all"))
    source, rows = ("probe", probe) if probe.height else ("online", table_of(store, "steps", trial_id))
    known = rows.filter(pl.col("q") > 0).select("step", "q", "s2", "n")
    if known.is_empty():
        return None
    step = pl.col("step")
    window = pl.when(step < 10).then(step.cast(pl.Float64)).otherwise((step.log10() * PER_DECADE + 1e-9).floor() + 10)
    pooled = known.group_by(window.alias("window"), maintain_order=True).agg(
        step.mean(), pl.col("q").sum(), pl.col("s2").sum(), pl.col("n").first()
    )
    points = pooled.sort("step").select("step", "n", "q", "s2").iter_rows()
    values = ((round(at, 1), _of_examples(n, q, s2, k)) for at, n, q, s2 in points)
    curve = [[at, value] for at, value in values if value is not None]
    if not curve:
        return None
    peak = max(curve, key=lambda point: point[1])
    return {"source": source, "first": curve[0], "peak": peak, "last": curve[-1], "curve": curve}


def _of_examples(n: int, q: float, s2: float, k: int) -> float | None:
    """m-coherence of n k examples, from n units that are means of k each."""
    if k == 1:
        return m_coherence(n, q, s2)
    alpha = alpha_unbiased_of_one(n, q, s2, k)
    return None if alpha is None else rescaled_m_coherence(alpha, n * k)


def _next_moves(state: str, trial_id: str, sweeps: list[str], at: str) -> Iterator[str]:
    name = sweeps[0] if sweeps else "SWEEP"
    if state in ("done", "diverged", "stopped"):
        yield f"coherence verify {trial_id}{at}"
        yield f"coherence figures {name}{at}"
    elif state == "failed":
        yield f"coherence failures {name}{at}"
        yield f"coherence retry {name}{at}"
    elif state == "pending":
        yield f"coherence run {name}{at}"
    else:
        yield f"coherence status {name} --watch{at}"


def story_lines(told: dict[str, Any], *, plain: bool = False) -> Iterator[str]:
    """For people."""
    sweeps = ", ".join(told["sweeps"]) or "no sweep"
    yield f"trial {told['trial_id']}: {told['state']}; in {sweeps}"
    yield "is"
    for key, value in told["choices"].items():
        if key != "version":
            yield f"  {key:<22} {value}"
    yield "attempts" if told["attempts"] else "attempts: none yet"
    for one in told["attempts"]:
        yield _attempt_line(one)
    if told["outcome"]:
        yield "came to"
        why = f": {told['reason']}" if told["reason"] else ""
        yield f"  {told['outcome']} after {told['steps']} steps{why}"
        accuracies = ", ".join(f"{split} {value:.1%}" for split, value in told["final_accuracy"].items())
        yield f"  accuracy {accuracies}" if accuracies else "  no evaluation"
    if curve := told["coherence"]:
        yield f"m-coherence, {curve['source']}, logarithmic, from step {curve['first'][0]:g} to {curve['last'][0]:g}"
        yield f"  {spark([value for _, value in curve['curve']], CURVE, plain=plain)}"
        yield "  " + ", ".join(
            f"{name} {curve[name][1]:.3g} (step {curve[name][0]:g})" for name in ("first", "peak", "last")
        )
    yield "rows " + ", ".join(f"{table} {count}" for table, count in told["rows"].items() if count)
    if told["checkpoints"]:
        yield f"checkpoint left: {', '.join(told['checkpoints'])}"
    yield from _origin_lines(told)
    yield "next"
    yield from (f"  {command}" for command in told["next"])


def _attempt_line(one: dict[str, Any]) -> str:
    took = (
        ""
        if one["seconds"] is None
        else f", {one['seconds']:.1f} s"
        if one["seconds"] < 10
        else f", {duration(one['seconds'])}"
    )
    steps = f", from step {one['start_step']}" + (f" to {one['end_step']}" if one["end_step"] is not None else "")
    said = f": {one['said']}" if one["said"] else ""
    failure = f" ({one['failure']})" if one["failure"] else ""
    where = f"{one['host']}, {one['device']}"
    return f"  {one['attempt']}  {one['began']} UTC  {one['outcome']}{failure} on {where}{steps}{took}{said}"


def _origin_lines(told: dict[str, Any]) -> Iterator[str]:
    origin = told["provenance"]
    if not origin:
        return
    git = origin.get("git") or {}
    commit = str(git.get("commit") or "unknown")[:12] + (" with changes" if git.get("dirty") else "")
    yield f"from commit {commit}, {origin.get('platform', 'unknown platform')}, {origin.get('cpu') or 'unknown CPU'}"
    yield f"data {told['data_sha256']}"
