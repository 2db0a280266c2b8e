"""The resources of each trial of a launch: one shape for all, or a share of a GPU by kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.packing import Device, PackKind, Share, enlarged, pack_kind, share_lines
from orchestrator.resources import Node, Resources, fewer, require_feasible, slots
from trainables.spec import TrialSpec

FindShares = Callable[[Mapping[PackKind, TrialSpec], int], Mapping[PackKind, Share]]
"""Measures one trial of each kind; also given are the most copies that the processors of a node allow."""


@dataclass(frozen=True)
class Shapes:
    """everyone: what a trial occupies whose kind has no share. shares: by kind, where they were measured. device: a GPU
    of the nodes, where `everyone` takes a given part of one."""

    everyone: Resources
    shares: Mapping[PackKind, Share] = field(default_factory=dict)
    device: Device | None = None

    def of(self, spec: TrialSpec) -> Resources:
        """What this trial occupies."""
        share = self.shares.get(pack_kind(spec))
        return self.everyone if share is None else self.everyone.model_copy(update={"gpu": share.gpu})

    def memory(self, spec: TrialSpec) -> float | None:
        """Part of a device's memory that it may take; None is not limited."""
        share = self.shares.get(pack_kind(spec)) or self._given
        return None if share is None else share.memory

    @property
    def _given(self) -> Share | None:
        """The share that the sweep gives as a number, as one of so many equal parts."""
        if self.device is None or not 0 < self.everyone.gpu < 1:
            return None
        return Share(int(1 / self.everyone.gpu + 1e-9), self.device)

    def at_once(self, nodes: Sequence[Node]) -> int:
        """Trials at once, if all were of the kind of which most fit."""
        return max(slots(shape, nodes) for shape in self._each())

    def require_feasible(self, nodes: Sequence[Node]) -> None:
        """Refuse where some trial could never start."""
        require_feasible(self._each(), nodes)

    def fewer(self, nodes: Sequence[Node]) -> "Shapes":
        """Twice the CPUs for each trial."""
        return replace(self, everyone=fewer(self.everyone, nodes))

    def _each(self) -> list[Resources]:
        shared = [self.everyone.model_copy(update={"gpu": share.gpu}) for share in self.shares.values()]
        return shared or [self.everyone]


def packed(
    everyone: Resources,
    specs: Sequence[TrialSpec],
    nodes: Sequence[Node],
    short: Mapping[PackKind, int],
    find: FindShares,
    tell: Callable[[str], None],
    keep: Callable[[Mapping[PackKind, Share]], None] = lambda _: None,
) -> Shapes:
    """Shapes with a measured share for each kind of trial. short: how often a kind ran out of device memory. keep: is
    given what was measured."""
    firsts: dict[PackKind, TrialSpec] = {}
    for spec in specs:
        firsts.setdefault(pack_kind(spec), spec)
    tell(f"gpu: auto: measuring {len(firsts)} kinds of trial alone and packed")
    found = find(firsts, most_copies(everyone, nodes))
    keep(found)
    shares = enlarged(found, short)
    for line in share_lines(shares, short):
        tell(line)
    return Shapes(everyone, shares)


def most_copies(everyone: Resources, nodes: Sequence[Node]) -> int:
    """Copies for which the processors of some node with GPUs suffice, on each of its GPUs."""
    return max(int(node.get("CPU", 0) / everyone.cpu / node["GPU"]) for node in nodes if node.get("GPU", 0))
