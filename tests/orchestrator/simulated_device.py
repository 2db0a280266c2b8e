"""A simulated GPU: memory that fills up and steps that slow each other down, by a model that a test chooses."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.packing import Device, DeviceFullError, PackKind, Reading, pack_kind
from trainables.spec import TrialSpec


@dataclass
class SimulatedDevice:
    """peaks: bytes that torch holds in one trial, by kind. step_s: seconds of a step with k trials at once."""

    total: int
    peaks: dict[PackKind, int]
    step_s: Callable[[int], float]
    context: int = 0
    measured: list[int] = field(default_factory=list)

    def device(self) -> Device:
        """Nothing else is on it."""
        return Device(self.total, self.total, self.context)

    def measure(self, spec: TrialSpec, copies: int) -> Reading:
        """What the model gives; full where the copies exceed its memory."""
        self.measured.append(copies)
        self.run([(spec, None)] * copies)
        return Reading(self.peaks[pack_kind(spec)], self.step_s(copies))

    def run(self, trials: list[tuple[TrialSpec, float | None]]) -> None:
        """Hold these at once, each with the part of memory that it is capped at; DeviceFullError where one cannot."""
        peaks = [self.peaks[pack_kind(spec)] for spec, _ in trials]
        over = [part for peak, (_, part) in zip(peaks, trials, strict=True) if part and peak > part * self.total]
        if over or sum(peaks) + len(trials) * self.context > self.total:
            raise DeviceFullError("simulated")


def ideal(copies: int) -> float:
    """Copies do not slow each other."""
    return 0.01


def saturating_at(most: int) -> Callable[[int], float]:
    """Throughput grows up to so many copies, and then not any more."""
    return lambda copies: 0.01 * max(1.0, copies / most)
