"""What one trial occupies, and whether the nodes at hand can give it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from orchestrator.errors import UserError
from trainables.registry import Frozen, Real

Node = Mapping[str, float]
"""Resources of one live node by Ray's names: `{"CPU": 8.0, "GPU": 1.0, ...}`."""


class ClusterError(UserError):
    """The cluster at hand cannot run this sweep; the text says what to change."""


class Resources(Frozen):
    """CPUs and GPUs that one trial occupies; fractions share a device. Not part of a trial's identity."""

    cpu: Annotated[Real, Field(gt=0)] = 1
    gpu: Annotated[Real, Field(ge=0)] = 0


def fit(wanted: Resources, nodes: Sequence[Node]) -> tuple[Resources, str | None]:
    """Resources that some node can give, and a notice when the GPU was dropped because no node has one.

    A request that no node can ever satisfy would wait for ever, so it is refused with a ClusterError.
    """
    notice = None
    if wanted.gpu and not any(node.get("GPU", 0) for node in nodes):
        notice = f"no node has a GPU: trials run on the CPU (resources asked for gpu: {wanted.gpu:g})"
        wanted = wanted.model_copy(update={"gpu": 0})
    if not any(_slots_of(wanted, node) for node in nodes):
        shapes = "; ".join(_describe(node) for node in nodes) or "no live node"
        raise ClusterError(
            f"resources: one trial asks for cpu: {wanted.cpu:g}, gpu: {wanted.gpu:g}, which no node can give"
            f" (nodes: {shapes}). Lower `resources` in the sweep or add a larger node."
        )
    return wanted, notice


def slots(wanted: Resources, nodes: Sequence[Node]) -> int:
    """How many trials run at once."""
    return sum(_slots_of(wanted, node) for node in nodes)


def fewer(wanted: Resources, nodes: Sequence[Node]) -> Resources:
    """Twice the CPUs for each trial, so that half as many run at once; never more than the largest fitting node has."""
    largest = max(node.get("CPU", 0) for node in nodes if _slots_of(wanted, node))
    return wanted.model_copy(update={"cpu": min(2 * wanted.cpu, largest)})


def _slots_of(wanted: Resources, node: Node) -> int:
    by_cpu = node.get("CPU", 0) / wanted.cpu
    by_gpu = _gpu_slots(wanted.gpu, node.get("GPU", 0)) if wanted.gpu else by_cpu
    return int(min(by_cpu, by_gpu) + 1e-9)


def _gpu_slots(share: float, devices: float) -> float:
    # Ray places a fraction on one device and never across two.
    return devices * int(1 / share + 1e-9) if share < 1 else devices / share


def _describe(node: Node) -> str:
    return f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU"
