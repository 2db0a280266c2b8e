"""Evaluate the claims of a sweep, and say them in lines or JSON."""

from dataclasses import asdict
from importlib import import_module
from typing import Any

from analysis.claims import CLAIMS
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim, Row


def evaluate(store: Store, sweep: Sweep) -> list[Claim]:
    """Every registered claim, in order, with every contrast the sweep holds."""
    return [import_module(module).evaluate(store, sweep) for module in CLAIMS.values()]


def as_json(sweep: Sweep, claims: list[Claim]) -> dict[str, Any]:
    """Plain data for `--json`."""
    return {
        "sweep": sweep.name,
        "revision": sweep.revision,
        "planned": sweep.planned.height,
        "completed": sweep.trials.height,
        "claims": [asdict(claim) for claim in claims],
    }


def row_line(row: Row) -> str:
    """`supported: mlp, 50 % ..., mean minus median-of-3: effect (n = 3)`."""
    said = row.said or row.why
    return f"{row.verdict}: {row.label}, {row.contrast}: {said}" + (f" (n = {row.n})" if row.said else "")


def summary(claim: Claim) -> str:
    """One line: how many rows came to which verdict, with the effects."""
    verdicts = list(dict.fromkeys(row.verdict for row in claim.rows))
    parts = []
    for verdict in verdicts:
        rows = [row for row in claim.rows if row.verdict == verdict]
        effects = "; ".join(f"{_short(row)} {row.said}".strip() for row in rows)
        parts.append(f"{verdict} in {len(rows)} of {len(claim.rows)} ({effects})")
    return f"{claim.short}: {', '.join(parts)}"


def _short(row: Row) -> str:
    model = row.label.split(",")[0]
    return f"{model} {row.contrast.removeprefix('mean minus ')}" if row.contrast.startswith("mean minus") else model
