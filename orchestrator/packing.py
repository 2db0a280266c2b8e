"""How many trials share a GPU: found by one short probe of each kind, alone and packed.

A trial's share is 1/k of a device, for the largest k whose k peaks of memory fit with a margin and whose throughput
still grows. Torch may then allocate no more than the share. A kind that ran out of device memory before gets twice the
share for each time, up to a whole device. Nothing here imports torch or Ray: what is measured comes from a meter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import Protocol

from orchestrator.history import failures_since
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id

MARGIN = 1.2
"""Memory that a trial is given, relative to the peak that its probe saw."""

GROWTH = 1.05
"""Throughput of more trials on a device relative to that of fewer; below this they are not worth their number."""

COPIES = (2, 3, 4, 6, 8, 12, 16)
"""Trials at once on a device that are tried, in order."""

PackKind = tuple[str, str, int, str]


def pack_kind(spec: TrialSpec) -> PackKind:
    """Trials that take as much of a device: data set, model with its parameters, batch size, name of the aggregator."""
    return spec.dataset.name, spec.model.model_dump_json(), spec.batch_size, spec.aggregator.name


class DeviceFullError(Exception):
    """The copies that were measured do not fit on the device together."""


@dataclass(frozen=True)
class Device:
    """Bytes of a device: in all, free before any trial, and what a process occupies beside what torch allocates."""

    total: int
    free: int
    context: int


@dataclass(frozen=True)
class Reading:
    """Of copies of one trial at once: the largest peak of bytes that torch held in one, seconds of a step in each."""

    peak: int
    step_s: float


class DeviceMeter(Protocol):
    """Measures trials on one device."""

    def device(self) -> Device:
        """The device, while no trial is on it."""
        ...

    def measure(self, spec: TrialSpec, copies: int) -> Reading:
        """Run the first steps of so many copies at once. Raises DeviceFullError where memory runs out."""
        ...


@dataclass(frozen=True)
class Share:
    """One of `copies` equal parts of a device."""

    copies: int
    device: Device

    @property
    def gpu(self) -> float:
        """As Ray counts: rounded down to ten-thousandths, so that all copies fit."""
        return floor(1e4 / self.copies) / 1e4

    @property
    def memory(self) -> float | None:
        """Part of the device's memory that torch may allocate in one process; None, all of it, for a whole device."""
        if self.copies == 1:
            return None
        return (self.device.free / self.copies - self.device.context) / self.device.total

    def doubled(self, times: int) -> "Share":
        """Half the copies, as often; a whole device at most."""
        return replace(self, copies=self.copies // 2**times or 1)


def find_share(meter: DeviceMeter, spec: TrialSpec, most: int) -> Share:
    """The share for trials of this kind. most: copies that the processors of a node allow."""
    device = meter.device()
    try:
        best = (1, meter.measure(spec, 1))
    except DeviceFullError:
        return Share(1, device)  # the trial itself will say so, or shrink what it measures at a time
    for copies in COPIES:
        if copies > most or not _fits(copies, best[1].peak, device):
            break
        try:
            packed = meter.measure(spec, copies)
        except DeviceFullError:
            break
        if not _fits(copies, packed.peak, device) or _rate(copies, packed) < GROWTH * _rate(*best):
            break
        best = (copies, packed)
    return Share(best[0], device)


def short_of_memory(store: Store, specs: Iterable[TrialSpec]) -> dict[PackKind, int]:
    """How often a trial ran out of device memory: the most that one of a kind did; kinds without are left out."""
    found: dict[PackKind, int] = {}
    for spec in specs:
        if times := failures_since(store, trial_id(spec), 0).count("device-memory"):
            found[pack_kind(spec)] = max(times, found.get(pack_kind(spec), 0))
    return found


def enlarged(shares: Mapping[PackKind, Share], short: Mapping[PackKind, int]) -> dict[PackKind, Share]:
    """Twice the share for each time that a kind ran out of device memory."""
    return {kind: share.doubled(short.get(kind, 0)) for kind, share in shares.items()}


def share_lines(shares: Mapping[PackKind, Share], short: Mapping[PackKind, int]) -> Iterator[str]:
    """What a launch tells of its packing, a line for each kind."""
    for kind, share in shares.items():
        dataset, model, batch, aggregator = kind
        text = f"gpu: auto: {share.copies} at once on a GPU: {dataset}, {model}, batch {batch}, {aggregator}"
        yield text + (f" (ran out of device memory {short[kind]} times: a larger share)" if kind in short else "")


def _fits(copies: int, peak: int, device: Device) -> bool:
    return copies * (MARGIN * peak + device.context) <= device.free


def _rate(copies: int, reading: Reading) -> float:
    return copies / reading.step_s
