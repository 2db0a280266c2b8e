"""What a launch on a cluster consists of, for its driver and for its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.attempt import RunOptions
from orchestrator.observer import Observer
from orchestrator.retries import Attempt
from orchestrator.stop import StopSwitch


@dataclass(frozen=True)
class ForWorkers:
    """What every trial of a launch is given, beside its spec. digest, versions: of the driver's sources and packages.
    estimates: CPU seconds by trial id. plugins: distributions that the trials need, with their modules."""

    options: RunOptions
    flag: str
    digest: str
    versions: dict[str, str]
    attempt: Attempt
    estimates: dict[str, float]
    plugins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """A launch as its driver sees it."""

    for_workers: ForWorkers
    observer: Observer
    switch: StopSwitch
