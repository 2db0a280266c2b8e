"""Rows of the instrument group-shares for made-up trials, from sums that a test sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.made_up import Effects, MadeUp, write, write_rows
from trainables.spec import trial_id

SIZES = {"pristine": 1000, "corrupt": 3000}
Dots = Mapping[int, tuple[float, float]]
"""Step -> S . S_A of the pristine and of the corrupt examples."""


def share_rows(dots: Dots) -> list[dict[str, Any]]:
    """All three quantities; bands: share 0.1 below and above its part of the examples, mean dot 1 around it."""
    rows = []
    for step, pair in dots.items():
        total = sum(pair)
        for (group, size), dot in zip(SIZES.items(), pair, strict=True):
            part = size / sum(SIZES.values())
            quantities = {
                "share": (dot / total, part - 0.1, part + 0.1),
                "mean-dot": (dot / size, dot / size - 1, dot / size + 1),
                "cumulative": (step * dot / size, -step, step),
            }
            for quantity, (value, low, high) in quantities.items():
                named = {"source": "probe", "estimator": "example", "instrument": "group-shares", "quantity": quantity}
                where = {"step": step, "group": group, "layer": "*", "layer_index": -1, "n": size}
                rows.append(named | where | {"value": value, "low": float(low), "high": float(high)})
    return rows


def measured(path: Path, made_up: MadeUp, dots: Dots) -> tuple[Store, Sweep]:
    """A made-up store in which every trial has these shares."""
    store = write(path, made_up)
    for i, one in enumerate(made_up.specs):
        if i not in made_up.skipped:
            write_rows(store, "instruments", trial_id(one), share_rows(dots))
    opened = Store(store)
    return opened, open_sweep(opened, made_up.name)


def quick(steps: tuple[int, ...] = (0, 10, 12, 20), **more: Any) -> Effects:
    """Few steps and examples."""
    return Effects(steps=steps, examples=100, **more)
