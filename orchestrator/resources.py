"""What one trial occupies, and whether the nodes at hand can give it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.errors import UserError
from trainables.registry import Frozen, Real

Node = Mapping[str, float]
"""Resources of one node by Ray's names: `{"CPU": 8.0, "GPU": 1.0, ...}`."""


class ClusterError(UserError):
    """The cluster at hand cannot run this sweep; the text says what to change."""


class Resources(Frozen):
    """CPUs and GPUs that one trial occupies; fractions share a device. Not part of a trial's identity."""

    cpu: Annotated[Real, Field(gt=0)] = 1
    gpu: Annotated[Real, Field(ge=0)] = 0


class Request(Frozen):
    """What a sweep asks for each of its trials. `gpu: auto` has the share of a GPU measured for each kind of trial."""

    cpu: Annotated[Real, Field(gt=0)] = 1
    gpu: Annotated[Real, Field(ge=0)] | Literal["auto"] = 0.0

    @property
    def at_most(self) -> Resources:
        """What a trial occupies; a whole GPU where its share is still to be measured."""
        return Resources(cpu=self.cpu, gpu=1 if self.gpu == "auto" else self.gpu)


def largest(requests: Sequence[Request]) -> Request:
    """The most that any of these asks; `auto` where one does."""
    each = [one.at_most for one in requests]
    measured = any(one.gpu == "auto" for one in requests)
    return Request(cpu=max(one.cpu for one in each), gpu="auto" if measured else max(one.gpu for one in each))


@dataclass(frozen=True)
class NodeType:
    """A type of node that an autoscaler can start. most: of it at a time; None has no limit. live: of it now."""

    resources: Node
    most: int | None
    live: int = 0


def with_startable(live: Sequence[Node], types: Iterable[NodeType]) -> list[Node]:
    """The live nodes, and those that the autoscaler may add; of a type without a limit one is counted."""
    more = [(one, 1 if one.most is None else one.most - one.live) for one in types]
    return [*live, *(one.resources for one, count in more for _ in range(count))]


def fit(wanted: Resources, nodes: Sequence[Node], *, auto: bool = False) -> tuple[Resources, str | None]:
    """Resources that some node can give, and a notice when the GPU was dropped because no node has one.

    auto: the share of a GPU is still to be measured.
    A request that no node can ever satisfy would wait for ever, so it is refused with a ClusterError.
    """
    notice = None
    if wanted.gpu and not any(node.get("GPU", 0) for node in nodes):
        asked = "auto" if auto else f"{wanted.gpu:g}"
        notice = f"no node has a GPU: trials run on the CPU (resources asked for gpu: {asked})"
        wanted = wanted.model_copy(update={"gpu": 0})
    require_feasible([wanted], nodes)
    return wanted, notice


def require_feasible(shapes: Iterable[Resources], nodes: Sequence[Node]) -> None:
    """Refuse shapes of trials that no node can give; the error names them and the nodes."""
    refused = dict.fromkeys(shape for shape in shapes if not any(_slots_of(shape, node) for node in nodes))
    if refused:
        asked = "; ".join(f"cpu: {shape.cpu:g}, gpu: {shape.gpu:g}" for shape in refused)
        given = "; ".join(dict.fromkeys(map(_describe, nodes))) or "no live node"
        raise ClusterError(
            f"resources: one trial asks for {asked}, which no node can give"
            f" (nodes: {given}). Lower `resources` in the sweep or add a larger node."
        )


def slots(wanted: Resources, nodes: Sequence[Node]) -> int:
    """How many trials run at once."""
    return sum(_slots_of(wanted, node) for node in nodes)


def fewer(wanted: Resources, nodes: Sequence[Node]) -> Resources:
    """Twice the CPUs for each trial, so that half as many run at once; never more than the largest fitting node has."""
    most = max(node.get("CPU", 0) for node in nodes if _slots_of(wanted, node))
    return wanted.model_copy(update={"cpu": min(2 * wanted.cpu, most)})


def _slots_of(wanted: Resources, node: Node) -> int:
    by_cpu = node.get("CPU", 0) / wanted.cpu
    by_gpu = _gpu_slots(wanted.gpu, node.get("GPU", 0)) if wanted.gpu else by_cpu
    return int(min(by_cpu, by_gpu) + 1e-9)


def _gpu_slots(share: float, devices: float) -> float:
    # Ray places a fraction on one device and never across two.
    return devices * int(1 / share + 1e-9) if share < 1 else devices / share


def _describe(node: Node) -> str:
    return f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU"
