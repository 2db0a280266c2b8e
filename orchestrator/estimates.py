"""Estimates with intervals: the rough model, corrected by what trials of the same kind have taken.

Within a kind (data set, model, aggregator) the ratio of taken to roughly expected is averaged as a logarithm; its
spread gives a 10-90 % t interval of prediction for the next trial, a factor of two where only one was seen. A kind
that nobody has seen is scaled from the others, and is right within a factor of three. Sums add up lower and upper
ends, as if all trials erred to one side.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from orchestrator.cost import rough_bytes, rough_seconds
from orchestrator.kinds import Kind, kind_of
from orchestrator.plugins_used import names_foreign
from orchestrator.reading import Damage
from orchestrator.spread import centre, factor
from orchestrator.states import last_attempt
from orchestrator.store import Store
from trainables.records import PARTED
from trainables.spec import TrialSpec, parse_spec

ROUGH = 3.0
"""The rough model's own factor."""
SAMPLE = 200
"""Trials of the store that are looked at."""

Ratios = Mapping[Kind, Sequence[float]]


@dataclass(frozen=True)
class Amount:
    """A number and the interval that it is expected in."""

    middle: float
    low: float
    high: float


def total(amounts: Iterable[Amount]) -> Amount:
    """Sums of middles, lower and upper ends."""
    kept = list(amounts)
    return Amount(*(fsum(getattr(one, end) for one in kept) for end in ("middle", "low", "high")))


class Estimator:
    """CPU seconds and bytes by spec. seconds, sizes: ratios of taken to roughly expected by kind."""

    def __init__(self, seconds: Ratios | None = None, sizes: Ratios | None = None) -> None:
        self._seconds, self._sizes = dict(seconds or {}), dict(sizes or {})
        self._spread: float | None = None

    def timed(self, seconds: Ratios, spread: float) -> "Estimator":
        """These ratios in the place of its own, each right within this factor."""
        made = Estimator(seconds, self._sizes)
        made._spread = spread
        return made

    @property
    def measured(self) -> bool:
        """Whether any estimate rests on trials that ran."""
        return bool(self._seconds)

    def knows(self, spec: TrialSpec) -> bool:
        """Whether trials of this kind were measured."""
        return kind_of(spec) in self._seconds

    def seconds(self, spec: TrialSpec) -> Amount:
        """CPU seconds that a trial will take."""
        return _amount(rough_seconds(spec), self._seconds, kind_of(spec), self._spread)

    def bytes(self, spec: TrialSpec) -> Amount:
        """Bytes that it will leave in the store."""
        return _amount(rough_bytes(spec), self._sizes, kind_of(spec))


def _amount(rough: float, known: Ratios, kind: Kind, spread: float | None = None) -> Amount:
    if kind in known:
        scale, width = centre(known[kind]), spread or factor(known[kind])
    else:
        scale, width = centre([centre(found) for found in known.values()]) if known else 1.0, ROUGH
    return Amount(rough * scale, rough * scale / width, rough * scale * width)


def estimator_from(store: Store, trial_ids: Iterable[str]) -> Estimator:
    """Learns from these finished trials: seconds where the newest attempt ran from the first step to the last, bytes
    of all that completed."""
    damage = Damage()
    seconds, sizes = defaultdict[Kind, list[float]](list), defaultdict[Kind, list[float]](list)
    for identity in list(trial_ids)[:SAMPLE]:
        rows = damage.rows(store.trial_file(identity), ["spec", "outcome"])
        if not rows or rows[0]["outcome"] != "completed":
            continue
        if names_foreign(rows[0]["spec"]):
            continue  # of a plugin or of code that is not here: it says nothing about trials that are
        spec = parse_spec(rows[0]["spec"])
        sizes[kind_of(spec)].append(_size(store, identity) / rough_bytes(spec))
        attempt = last_attempt(store, identity, ["outcome", "start_step", "cpu_s"], damage)
        taken = attempt.get("cpu_s")
        whole = attempt.get("outcome") == "completed" and attempt.get("start_step") == 0
        if whole and isinstance(taken, float) and taken > 0:
            seconds[kind_of(spec)].append(taken / rough_seconds(spec))
    return Estimator(seconds, sizes)


def _size(store: Store, identity: str) -> int:
    tables = ("trials", "attempts", *PARTED)
    return sum(path.stat().st_size for table in tables for path in store.parts(table, identity))
