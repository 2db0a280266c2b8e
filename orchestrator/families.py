"""Stops a family of trials once it has shown the same bug three times: the rest would fail alike.

A family is what shares code paths: data set, model with its parameters, aggregator. Its remaining trials stay
pending in this run; the next run starts them again.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from orchestrator.kinds import Kind, kind_of
from trainables.spec import TrialSpec

LIMIT = 3
"""Trials with one fingerprint that stop their family."""


def family_key(spec: TrialSpec) -> str:
    """A short name of the trial's family, fit for a file name."""
    return hashlib.sha256("\n".join(kind_of(spec)).encode()).hexdigest()[:12]


class Families:
    """Counts the bugs of one run."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Kind, str], set[str]] = defaultdict(set)
        self._stopped: set[Kind] = set()

    def stopped(self, spec: TrialSpec) -> bool:
        """Whether no other trial of this one's family is to begin."""
        return kind_of(spec) in self._stopped

    def add(self, spec: TrialSpec, attempt: Mapping[str, Any]) -> str | None:
        """Take note of a failed attempt's row; a line for the user when it is the one that stops a family."""
        if attempt.get("failure") != "bug":
            return None
        kind = kind_of(spec)
        alike = self._seen[kind, str(attempt["fingerprint"])]
        alike.add(str(attempt["trial_id"]))
        if len(alike) < LIMIT or kind in self._stopped:
            return None
        self._stopped.add(kind)
        return (
            f"the same {attempt['error_class']} in {LIMIT} trials of {spec.model.name} on {spec.dataset.name} with"
            f" {spec.aggregator.name}: the family's other trials are not started and stay pending"
        )
