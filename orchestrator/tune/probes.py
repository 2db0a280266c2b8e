"""Probes of GPUs for the shares that kinds of trial get, run on the cluster at hand."""

from collections.abc import Callable, Mapping

import ray

from orchestrator.errors import one_line
from orchestrator.packing import Device, PackKind, Share
from orchestrator.probe_device import device_here, share_of
from orchestrator.resources import ClusterError
from trainables.code import allowed
from trainables.spec import TrialSpec, canonical_json

PROBE_S = 1800
"""Seconds that a probe of a GPU may take, the start of a node by an autoscaler included."""

DEVICE_S = 120
"""Seconds that a look at a GPU may take; without it trials run uncapped."""


def find_shares(firsts: Mapping[PackKind, TrialSpec], most: int, code: str | None) -> dict[PackKind, Share]:
    """Measured on whole GPUs of the cluster, as many kinds at once as there are."""
    probe = ray.remote(num_cpus=1, num_gpus=1, max_calls=1)(_share)
    asked = {kind: probe.remote(canonical_json(spec), most, code) for kind, spec in firsts.items()}
    try:
        return {kind: ray.get(answer, timeout=PROBE_S) for kind, answer in asked.items()}
    except ray.exceptions.RayError as error:
        why = one_line(str(error).strip().rpartition("\n")[2], 200)
        raise ClusterError(f"gpu: auto: a probe of a GPU failed ({why}); give `resources.gpu` as a number.") from error


def _share(spec: str, most: int, code: str | None) -> Share:
    with allowed(code):
        return share_of(spec, most)


def find_device(tell: Callable[[str], None]) -> Device | None:
    """A whole GPU of the cluster, for the memory that a given share of one is capped at. None, and a note, where none
    is free soon: others may share them all."""
    asked = ray.remote(num_cpus=0, num_gpus=1, max_calls=1)(device_here).remote()
    try:
        return ray.get(asked, timeout=DEVICE_S)
    except ray.exceptions.RayError as error:
        ray.cancel(asked, force=True)
        why = one_line(str(error).strip().rpartition("\n")[2], 200)
        tell(f"trials may take more than their share of a GPU's memory: no whole GPU could be looked at ({why})")
        return None
