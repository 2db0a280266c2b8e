"""Trials on nodes when each kind takes its own share of a GPU: what `plan` says of `gpu: auto`.

Where launches into the store have measured a kind's share, that is its share. Of another kind only bounds are known:
a whole GPU for each trial, which the estimate and its upper end count with, and as many at once on a GPU as a launch
would try and the processors allow, which the lower end counts with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from orchestrator.estimates import Amount
from orchestrator.packing import COPIES, PackKind, Share, pack_kind
from orchestrator.resources import Node, Resources, slots
from orchestrator.rooms import last_end
from orchestrator.shapes import most_copies
from trainables.spec import TrialSpec

Timed = Iterable[tuple[TrialSpec, Amount]]
"""Trials in the order of running, with the seconds that each takes."""


@dataclass(frozen=True)
class Packing:
    """everyone: what a trial takes whose share is not known. nodes: empty where none are named. auto: whether a launch
    would measure the shares."""

    everyone: Resources
    shares: Mapping[PackKind, Share] = field(default_factory=dict)
    nodes: Sequence[Node] = ()
    auto: bool = False

    def of(self, spec: TrialSpec, *, at_best: bool = False) -> Resources:
        """What a trial takes; at_best: the least that it might turn out to."""
        share = self.shares.get(pack_kind(spec))
        if share is not None:
            return self.everyone.model_copy(update={"gpu": share.gpu})
        return self.everyone.model_copy(update={"gpu": 1 / self.most}) if at_best and self.auto else self.everyone

    def at_once(self, specs: Iterable[TrialSpec]) -> int:
        """Trials at once on the nodes, if all were of the kind of which most fit; 0 where no nodes are named."""
        return max(
            (slots(wanted, self.nodes) for wanted in {self.of(spec) for spec in specs} | {self.everyone}), default=0
        )

    @property
    def most(self) -> int:
        """Trials at once on a GPU that a launch might find."""
        allowed = most_copies(self.everyone, self.nodes) if self.nodes else COPIES[-1]
        return max(copies for copies in (1, *COPIES) if copies <= max(allowed, 1))

    def wall(self, trials: Timed) -> Amount:
        """Seconds until the last trial ends on the nodes."""
        each = list(trials)
        ends = (("middle", False), ("low", True), ("high", False))
        return Amount(
            *(
                last_end(((getattr(amount, end), self.of(spec, at_best=best)) for spec, amount in each), self.nodes)
                for end, best in ends
            )
        )

    def gpu_seconds(self, trials: Timed) -> Amount:
        """Shares of a GPU times seconds."""
        each = list(trials)
        return Amount(
            fsum(self.of(spec).gpu * amount.middle for spec, amount in each),
            fsum(self.of(spec, at_best=True).gpu * amount.low for spec, amount in each),
            fsum(self.of(spec).gpu * amount.high for spec, amount in each),
        )

    def unknown(self, specs: Iterable[TrialSpec]) -> tuple[int, int]:
        """(kinds without a measured share, kinds)."""
        kinds = {pack_kind(spec) for spec in specs}
        return len(kinds - set(self.shares)), len(kinds)
