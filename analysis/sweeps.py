"""A sweep as it stands in a store: what was planned, what completed, what is missing."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import polars as pl

from analysis.definition import parsed
from analysis.errors import Skipped, UserError
from analysis.query import with_spec
from analysis.store import Store
from trainables.records import STOPPED_EARLY

EARLY = "stopped early"
"""State of a trial that was stopped because others of its sweep did better."""


@dataclass(frozen=True)
class Missing:
    """A planned trial without a completed result."""

    trial_id: str
    label: str
    state: str


@dataclass(frozen=True)
class Context:
    """Trials that differ only in corruption, aggregator and seed: one panel of a figure."""

    key: str
    label: str
    trials: pl.DataFrame

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training set."""
        return int(self.trials["train_examples"][0]) // int(self.trials["batch_size"][0])

    def arms(self, *by: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
        """Trials grouped by columns, ordered by noise and then as planned."""
        ordered = self.trials.sort("noise", "position", maintain_order=True)
        for key, frame in ordered.group_by(by, maintain_order=True):
            yield tuple(str(part) for part in key), frame.sort("seed")


@dataclass(frozen=True)
class Sweep:
    """Newest revision of a sweep. planned and trials carry the columns of `query.with_spec` and `position`.

    scale: the size at which it was run, None for the sweep's own. members: of a collection, its sweeps.
    """

    name: str
    revision: int
    definition: str
    planned: pl.DataFrame
    trials: pl.DataFrame
    missing: tuple[Missing, ...]
    scale: str | None = None
    members: "tuple[Sweep, ...]" = ()

    @property
    def base(self) -> str:
        """The name without the scale."""
        return self.name if self.scale is None else self.name.removesuffix(f".{self.scale}")

    @property
    def size(self) -> str:
        """The size at which it was run, in words."""
        return f"scale {self.scale}" if self.scale else "the sweep's own size"

    @property
    def trial_ids(self) -> list[str]:
        """Completed trials, in the order of the sweep."""
        return self.trials["trial_id"].to_list()

    def contexts(self) -> list[Context]:
        """One per combination of everything but corruption, aggregator and seed, in the order of the sweep."""
        frames = {str(key[0]): frame for key, frame in self.trials.group_by("context", maintain_order=True)}
        labels = context_labels(self.planned)
        return [Context(key, labels[key], frame) for key, frame in frames.items()]


def open_sweep(store: Store, name: str, revisions: Mapping[str, int] | None = None) -> Sweep:
    """Read what the store knows of a sweep; raises UserError for an unknown name.

    revisions: by name, of the sweep and of its members; the newest of what is not named.
    """
    wanted = revisions or {}
    known = store.sweep_names()
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UserError(f"no sweep {name!r} in {store.path}.{hint} {_known(known)}")
    rows = store.revision(name, wanted.get(name))
    definition = rows["definition"][0] or ""
    scale, names = _described(name, definition)
    members = [f"{member}.{scale}" if f"{member}.{scale}" in known else member for member in names]
    return _sweep(
        store,
        rows,
        name=name,
        revision=rows["revision"][0],
        definition=definition,
        scale=scale,
        members=tuple(_member(store, member, wanted) for member in members if member in known),
    )


def _member(store: Store, name: str, wanted: Mapping[str, int]) -> Sweep:
    """A sweep of a collection; should it say that it is a collection itself, its own members are left out."""
    rows = store.revision(name, wanted.get(name))
    definition = rows["definition"][0] or ""
    facts = {"revision": rows["revision"][0], "definition": definition, "scale": _described(name, definition)[0]}
    return _sweep(store, rows, name=name, **facts)


def _sweep(store: Store, rows: pl.DataFrame, **facts: Any) -> Sweep:
    planned = with_spec(rows.select("position", "trial_id", "spec"))
    trials = planned.drop("spec").join(store.trials, on="trial_id", how="inner", maintain_order="left")
    return Sweep(planned=planned, trials=trials, missing=_missing(store, planned, trials), **facts)


def _described(name: str, definition: str) -> tuple[str | None, list[str]]:
    """The scale that the stored name adds to the written one, and the sweeps that a collection names."""
    content = parsed(definition)
    written = str(content.get("name"))
    scale = name.removeprefix(f"{written}.") if name.startswith(f"{written}.") else None
    members = content.get("sweeps")
    return scale, [str(member) for member in members] if isinstance(members, list) else []


def view(store: Store, sweep: Sweep, needs: Sequence[str]) -> Sweep:
    """The part of a collection that a figure or a claim needs, as one sweep; a plain sweep is taken as it is.

    needs: names of sweeps, without a scale; none: the whole collection. Raises Skipped where the collection has none
    of them.
    """
    if not sweep.members or not needs:
        return sweep
    chosen = [member for name in needs for member in sweep.members if member.base == name]
    if not chosen:
        raise Skipped(f"it needs {' or '.join(needs)}, and {sweep.name} has none of them")
    if len(chosen) == 1:
        return chosen[0]
    rows = pl.concat([member.planned.select("trial_id", "spec") for member in chosen])
    rows = rows.unique("trial_id", keep="first", maintain_order=True).with_row_index("position")
    return _sweep(
        store,
        rows.with_columns(pl.col("position").cast(pl.Int64)),
        name=sweep.name,
        revision=sweep.revision,
        definition=sweep.definition,
        scale=sweep.scale,
        members=tuple(chosen),
    )


def only(store: Store, sweep: Sweep, trial_ids: Collection[str]) -> Sweep:
    """The same sweep as it was when these trials, and no others, had completed."""
    trials = sweep.trials.filter(pl.col("trial_id").is_in(list(trial_ids)))
    return replace(sweep, trials=trials, missing=_missing(store, sweep.planned, trials))


def nothing_of(sweep: Sweep) -> Sweep:
    """The same sweep without any trial."""
    return replace(sweep, planned=sweep.planned.clear(), trials=sweep.trials.clear(), missing=(), members=())


def sweep_name(store: Store, given: str | None) -> str:
    """The given name, or the only one in the store that is no part of a collection."""
    if given is not None:
        return given
    known = store.sweep_names()
    parts = {member.name for name in known for member in open_sweep(store, name).members}
    whole = [name for name in known if name not in parts]
    if len(whole) != 1:
        raise UserError(f"{store.path} holds {len(whole)} sweeps; name one. {_known(known)}")
    return whole[0]


def _known(names: list[str]) -> str:
    return f"Known: {', '.join(names)}." if names else "The store holds no sweep yet: `coherence run SWEEP` fills it."


def _missing(store: Store, planned: pl.DataFrame, trials: pl.DataFrame) -> tuple[Missing, ...]:
    rows = planned.join(trials.select("trial_id"), on="trial_id", how="anti", maintain_order="left")
    ids = set(rows["trial_id"])
    if not ids:
        return ()
    attempts = store.read_all("attempts", ids).sort("attempt", "ended_at", nulls_last=False)
    states = dict(attempts.select("trial_id", "outcome").iter_rows())
    ended = store.finished.filter(pl.col("trial_id").is_in(list(ids)))
    lost = [path.parent.name for path in store.damaged if path.parent.parent.name == "trials"]
    states |= dict.fromkeys(lost, "result unreadable")
    early = pl.col("reason").fill_null("").str.starts_with(STOPPED_EARLY)
    outcome = pl.when(early).then(pl.lit(EARLY)).otherwise("outcome")
    states |= dict(ended.select("trial_id", outcome).iter_rows())
    return tuple(
        Missing(row["trial_id"], cell_label(row), states.get(row["trial_id"], "not started"))
        for row in rows.iter_rows(named=True)
    )


def cell_label(row: dict[str, object]) -> str:
    """`mlp, 50 % permuted labels, median-of-3, seed 0`."""
    return f"{row['model_label']}, {row['noise_label']}, {row['aggregator_label']}, seed {row['spec_seed']}"


def context_labels(planned: pl.DataFrame) -> dict[str, str]:
    """Model name, plus those other fields that vary among contexts of the same model."""
    unique = planned.unique("context", maintain_order=True).select("context", "model_label", "context_fields")
    labels: dict[str, str] = {}
    for _, group in unique.group_by("model_label", maintain_order=True):
        fields = [json.loads(text) for text in group["context_fields"]]
        names = sorted({name for field in fields for name in field})
        varying = [n for n in names if len({json.dumps(f.get(n), sort_keys=True) for f in fields}) > 1]
        for context, model, field in zip(group["context"], group["model_label"], fields, strict=True):
            extra = [f"{name} {_short(field.get(name))}" for name in varying]
            labels[context] = ", ".join([model, *extra])
    return labels


def _short(value: object) -> str:
    if isinstance(value, dict):
        rest = (f"{key} {_short(item)}" for key, item in value.items() if key != "name")
        return " ".join([str(value.get("name", "")), *rest]).strip()
    if isinstance(value, float):
        return f"{value:g}"
    return "default" if value is None else str(value)
