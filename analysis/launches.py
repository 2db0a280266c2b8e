"""What launches were expected to take, beside what they took: wall time, as the plan and the attempts tell it."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Launch:
    """One launch whose trials all finished. Seconds from the first trial's start to the last one's end: the start of
    nodes and workers is counted on neither side."""

    trials: int
    at_once: int
    expected_s: float
    took_s: float

    @property
    def ratio(self) -> float:
        """Taken over expected."""
        return self.took_s / self.expected_s


def launches(trials: pl.DataFrame, attempts: pl.DataFrame) -> list[Launch]:
    """The launches that `provenance` of these rows of `trials` tells of, in the order in which they began.

    Left out are those of which some trial is not here: interrupted, failed, of another sweep, or finished by another
    launch. attempts: each attempt once, of the same trials.
    """
    told = [(identity, launch) for identity, text in _rows(trials) if (launch := _launch(text)) is not None]
    counts = Counter(launch["id"] for _, launch in told)
    whole = {launch["id"]: launch for _, launch in told if counts[launch["id"]] == launch["trials"]}
    members = {each: [identity for identity, launch in told if launch["id"] == each] for each in whole}
    ordered = sorted(whole.values(), key=lambda launch: launch["began"])
    found = (_measured(launch, members[launch["id"]], attempts) for launch in ordered)
    return [launch for launch in found if launch is not None]


def _rows(trials: pl.DataFrame) -> list[tuple[str, str | None]]:
    return list(trials.select("trial_id", "provenance").iter_rows())


def _launch(provenance: str | None) -> dict[str, Any] | None:
    try:
        launch = json.loads(provenance or "{}").get("launch")
    except (ValueError, AttributeError):
        return None  # written by something else: no launch is told of
    known = isinstance(launch, dict) and {"id", "began", "trials", "at_once", "wall_s"} <= set(launch)
    return launch if known and launch["wall_s"] > 0 else None


def _measured(launch: dict[str, Any], trial_ids: list[str], attempts: pl.DataFrame) -> Launch | None:
    own = attempts.filter(pl.col("trial_id").is_in(trial_ids) & (pl.col("started_at") >= launch["began"]))
    began, ended = own["started_at"].min(), own["ended_at"].max()
    if began is None or ended is None:
        return None
    return Launch(launch["trials"], launch["at_once"], launch["wall_s"], float(ended) - float(began))  # type: ignore[arg-type]
