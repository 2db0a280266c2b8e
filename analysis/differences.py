"""What differs between two trials or two sweeps: axes, effects with intervals, provenance. B minus A throughout."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from analysis.coherence import probes
from analysis.errors import Skipped, UserError
from analysis.query import log_window, ratio_of_sums
from analysis.stats import interval, kind_of
from analysis.store import Store
from analysis.sweeps import open_sweep

COMPARED = ("steps", "layers", "evals", "examples", "instruments")
"""Tables without clock or host, in which two trials of one spec agree bit for bit."""

FINALS = {
    "final test accuracy": "final_test_accuracy",
    "final train accuracy": "final_train_accuracy",
    "final pristine accuracy": "final_pristine_accuracy",
    "final corrupt accuracy": "final_corrupt_accuracy",
    "final train loss": "final_train_loss",
}
UNSAID = {"corruption": "none", "aggregator": "mean"}
APART = ("seed", "version")


@dataclass(frozen=True)
class Effect:
    """Of one quantity in one arm: means of A and B over the seeds that both have, and of their difference by seed.

    kind: of the interval, as `analysis.stats` names it; low and high None for a single seed. n: seeds.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    kind: str
    n: int


@dataclass(frozen=True)
class ArmDifference:
    """Trials of A and B that agree in all axes which either has."""

    arm: str
    effects: tuple[Effect, ...]
    seeds_of_one: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """a, b: what was compared. fields: (name, in A, in B) of what is fixed in each and differs. arms: of two sweeps.
    only_a, only_b: arms without a counterpart. finals: (name, in A, in B) of two trials. first_row: where their rows
    differ first, empty where they do not or where their specs are others. provenance: (what, in A, in B)."""

    kind: str
    a: str
    b: str
    fields: tuple[tuple[str, Any, Any], ...] = ()
    arms: tuple[ArmDifference, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    finals: tuple[tuple[str, Any, Any], ...] = ()
    first_row: str = ""
    provenance: tuple[tuple[str, str, str], ...] = field(default=())


def difference(store: Store, a: str, other: Store, b: str) -> Difference:
    """Of two sweeps by name, or of two trials by id or the beginning of one. Raises UserError for anything else."""
    first, second = _kind(store, a), _kind(other, b)
    if first != second:
        raise UserError(f"{a!r} is a {first} and {b!r} a {second}; give two sweeps or two trials.")
    return (
        _sweeps(store, a, other, b) if first == "sweep" else _trials(store, _trial(store, a), other, _trial(other, b))
    )


def _kind(store: Store, name: str) -> str:
    if name in store.sweep_names():
        return "sweep"
    _trial(store, name)
    return "trial"


def _trial(store: Store, text: str) -> str:
    found = sorted(identity for identity in store.finished["trial_id"] if identity.startswith(text.lower()))
    if len(found) == 1:
        return str(found[0])
    if found:
        raise UserError(f"{len(found)} finished trials of {store.path} begin with {text!r}: {', '.join(found[:5])}.")
    names = ", ".join(store.sweep_names()) or "none"
    raise UserError(f"{text!r} is neither a sweep of {store.path} (it has: {names}) nor the id of a finished trial.")


def _trials(store: Store, a: str, other: Store, b: str) -> Difference:
    first, second = (
        s.finished.row(by_predicate=pl.col("trial_id") == i, named=True) for s, i in ((store, a), (other, b))
    )
    one, two = _flat(first["spec"]), _flat(second["spec"])
    finals = tuple(
        (name, first[column], second[column])
        for name, column in {"outcome": "outcome", **FINALS}.items()
        if first[column] != second[column]
    )
    return Difference(
        "trial",
        a,
        b,
        fields=tuple((key, one.get(key), two.get(key)) for key in _keys([one, two]) if one.get(key) != two.get(key)),
        finals=finals,
        first_row=_first_row(store, a, other, b) if first["spec"] == second["spec"] else "",
        provenance=_provenance([first], [second]),
    )


def _first_row(store: Store, a: str, other: Store, b: str) -> str:
    """`steps, row 12, step 12: loss 0.5 and 0.6`; empty where all tables are equal."""
    for table in COMPARED:
        one, two = (s.read_all(table, [i]).drop("trial_id") for s, i in ((store, a), (other, b)))
        if one.equals(two):
            continue
        for place in range(min(one.height, two.height)):
            if one[place].equals(two[place]):
                continue
            left, right = one.row(place, named=True), two.row(place, named=True)
            name = next(key for key in left if not one[key][place : place + 1].equals(two[key][place : place + 1]))
            step = f", step {left['step']}" if "step" in left else ""
            return f"{table}, row {place}{step}: {name} {left[name]} and {right[name]}"
        if one.height != two.height:
            return f"{table}: {one.height} rows and {two.height}"
    return ""


def _sweeps(store: Store, a: str, other: Store, b: str) -> Difference:
    first, second = _members(store, a), _members(other, b)
    axes = _together({*_telling(first), *_telling(second)}, _keys([*first["flat"], *second["flat"]]))
    one, two = _by_arm(first, axes), _by_arm(second, axes)
    both = [arm for arm in one if arm in two]
    if not both:
        raise UserError(
            f"{a!r} and {b!r} have no arm in common: {a} has {_listed(list(one))}; {b} has {_listed(list(two))}."
        )
    fixed = [
        (key, first["flat"][0].get(key), second["flat"][0].get(key)) for key in _keys([*first["flat"], *second["flat"]])
    ]
    return Difference(
        "sweep",
        a,
        b,
        fields=tuple((key, left, right) for key, left, right in fixed if key not in axes and left != right),
        arms=tuple(_compare(arm, store, one[arm], other, two[arm]) for arm in both),
        only_a=tuple(arm for arm in one if arm not in two),
        only_b=tuple(arm for arm in two if arm not in one),
        provenance=_provenance(first["rows"], second["rows"]),
    )


def _together(names: set[str], order: Sequence[str]) -> list[str]:
    """In order, the parameters of a choice behind it."""
    return sorted(
        names, key=lambda name: (order.index(owner if (owner := name.split(".")[0]) in order else name), name)
    )


def _members(store: Store, name: str) -> dict[str, list[Any]]:
    """Completed trials of a sweep: rows of `trials` and flat specs."""
    trials = open_sweep(store, name).trials
    if trials.is_empty():
        raise UserError(f"sweep {name!r} of {store.path} has no completed trial; `coherence run {name}` first.")
    rows = trials.to_dicts()
    finished = dict(zip(store.finished["trial_id"], store.finished["spec"], strict=True))
    return {"rows": rows, "flat": [_flat(finished[row["trial_id"]]) for row in rows]}


def _flat(text: str) -> dict[str, Any]:
    def walk(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in content.items():
            path = prefix if key == "name" and prefix else f"{prefix}.{key}" if prefix else key
            if isinstance(value, Mapping):
                yield from walk(value, path)
            else:
                yield path, value

    return {key: value for key, value in walk({**UNSAID, **json.loads(text)}, "") if key != "version"}


def _keys(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for one in flat for key in one if key not in APART))


def _telling(members: Mapping[str, list[Any]]) -> list[str]:
    """Fields, seed apart, that vary within a sweep."""
    return [key for key in _keys(members["flat"]) if len({json.dumps(one.get(key)) for one in members["flat"]}) > 1]


def _by_arm(members: Mapping[str, list[Any]], axes: Sequence[str]) -> dict[str, dict[int, dict[str, Any]]]:
    """Rows of `trials` by arm and seed, arms in the sweep's order."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row, flat in zip(members["rows"], members["flat"], strict=True):
        arm = ", ".join(f"{key} {flat[key]}" for key in axes if flat.get(key) is not None) or "all trials"
        found.setdefault(arm, {})[int(row["seed"])] = row
    return found


def _compare(
    arm: str, store: Store, one: Mapping[int, dict[str, Any]], other: Store, two: Mapping[int, dict[str, Any]]
) -> ArmDifference:
    seeds = sorted(one.keys() & two.keys())
    left, right = _values(store, [one[seed] for seed in seeds]), _values(other, [two[seed] for seed in seeds])
    effects = [_effect(metric, values, right[metric]) for metric, values in left.items() if metric in right and seeds]
    return ArmDifference(
        arm,
        tuple(effect for effect in effects if effect is not None),
        tuple(sorted(one.keys() ^ two.keys())),
    )


def _values(store: Store, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Each metric of these trials, in order; NaN where a trial has none."""
    found = {
        name: [np.nan if row[column] is None else float(row[column]) for row in rows] for name, column in FINALS.items()
    }
    if rows:
        frame = pl.DataFrame({"trial_id": [row["trial_id"] for row in rows], "seed": [row["seed"] for row in rows]})
        curves = _curves(store, frame)
        found["m-coherence, end"] = [curves.get(row["trial_id"], (np.nan, np.nan))[1] for row in rows]
        found["m-coherence, peak"] = [curves.get(row["trial_id"], (np.nan, np.nan))[0] for row in rows]
    return found


def _curves(store: Store, trials: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """(highest, last) m-coherence of the probe in windows of steps, beyond the first nine steps, by trial."""
    rows = probes(store, trials).filter((pl.col("layer") == "*") & (pl.col("step") >= 10))
    try:
        pooled = ratio_of_sums(rows.with_columns(log_window()), ["trial_id", "window"]).sort("step")
    except Skipped:
        return {}
    found = {}
    for (identity,), own in pooled.group_by("trial_id"):
        values = own["m_coherence"]
        found[str(identity)] = (float(values.max()), float(values[-1]))  # type: ignore[arg-type]
    return found


def _effect(metric: str, a: Sequence[float], b: Sequence[float]) -> Effect | None:
    one, two = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    known = np.isfinite(one) & np.isfinite(two)
    if not known.any():
        return None
    center, low, high = interval(two[known] - one[known])
    low_end, high_end = (None, None) if np.isnan(low) else (low, high)
    seeds = int(known.sum())
    means = float(one[known].mean()), float(two[known].mean())
    return Effect(metric, *means, center, low_end, high_end, kind_of(seeds), seeds)


def _provenance(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str, str], ...]:
    """What of the provenance differs, with how many trials have which value."""
    one, two = _counted(first), _counted(second)
    names = dict.fromkeys([*one, *two])
    said = [(name, _said(one.get(name, Counter())), _said(two.get(name, Counter()))) for name in names]
    return tuple((name, left, right) for name, left, right in said if left != right)


def _counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        content = {
            **json.loads(row["provenance"] or "{}"),
            "data": row["data_sha256"],
            "numerics": row["numerics_version"],
        }
        for name, value in _pairs("", content):
            if name.split(".")[0] not in ("command", "launch"):
                found.setdefault(name, Counter())[value] += 1
    return found


def _pairs(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _pairs(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _said(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({count})" for value, count in sorted(values.items())) or "nothing"


def _listed(arms: Sequence[str]) -> str:
    return "; ".join(arms[:3]) + (f"; and {len(arms) - 3} more" if len(arms) > 3 else "")
