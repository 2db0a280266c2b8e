"""Evaluate the claims of a sweep, and say them in lines or JSON."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from analysis.claims import CLAIMS, Entry
from analysis.errors import Skipped
from analysis.store import Store
from analysis.sweeps import Sweep, nothing_of, view
from analysis.verdict import Claim, Row, Verdict, unmeasured
from trainables.plugins import Plugin, PluginError, failed

VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "inconclusive", "not measured")


def evaluate(store: Store, sweep: Sweep) -> list[Claim]:
    """Every registered claim, in order, with every contrast the sweep holds."""
    found = []
    for name in CLAIMS:
        plugin = CLAIMS.plugin_of(name)
        one = evaluate_one(CLAIMS[name], store, sweep) if plugin is None else _evaluate_published(plugin, store, sweep)
        found.append(one)
    return found


def _evaluate_published(plugin: Plugin, store: Store, sweep: Sweep) -> Claim:
    """A claim of another distribution: whatever is wrong with it is told in its place, and the others are judged."""
    try:
        return evaluate_one(CLAIMS[plugin.name], store, sweep)
    except PluginError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything; it is told
        why = f"{failed(plugin, error)}."
    bare = Claim(plugin.name, plugin.name, plugin.name, plugin.who, "", "", 0.0, "", ())
    return replace(bare, rows=(unmeasured("all", plugin.name, why),))


def evaluate_one(entry: Entry, store: Store, sweep: Sweep) -> Claim:
    """One claim on what it needs of a sweep; not measured where a collection has none of that."""
    evaluate_on: Callable[[Store, Sweep], Claim] = import_module(entry.module).evaluate
    try:
        return evaluate_on(store, view(store, sweep, entry.needs))
    except Skipped as reason:
        bare = evaluate_on(store, nothing_of(sweep))
        return replace(bare, rows=(unmeasured("all", bare.rows[0].contrast, f"{reason}."),))


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


def table(claims: Sequence[Claim]) -> list[str]:
    """One line per claim: its name, how many rows came to which verdict, and the claim in a few words."""
    width = max(len(claim.name) for claim in claims)
    lines = []
    for claim in claims:
        counts = Counter(row.verdict for row in claim.rows)
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        lines.append(f"{claim.name:<{width}}  {said}: {claim.short}")
    return lines


def claim_lines(claim: Claim) -> list[str]:
    """A claim with its rows, what stands beside them, and the same contrasts under other choices of analysis."""
    lines = [f"{claim.name}: {claim.statement}"]
    for row in claim.rows:
        lines += [f"  {row_line(row)}", *(f"    {text}" for text in row.beside)]
        lines += [f"    otherwise, {other.choice}: {other.verdict}, {other.said}" for other in row.sensitivity]
    return lines


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
