"""Writes docs/papers.md and its pictures from a store that holds the sweep `papers` at some scale.

python -m benchmarks.papers [--store results] [--sweep papers.laptop]
"""

import argparse
from collections import Counter
from math import exp
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template

from analysis.evaluation import VERDICTS, evaluate
from analysis.figures import FIGURES
from analysis.gallery import Drawn, NotDrawn, draw_all
from analysis.report import cost
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from analysis.theme import number
from analysis.verdict import Claim, Row
from orchestrator.load import builtin_sweeps, load_sweep

ROOT = Path(__file__).parents[1]
PICTURES = ("what-explains", "group-shares", "long-run", "coherence-evolution")
"""Figures whose PNG goes into docs/images."""
NOTES = Path(__file__).parent / "papers_notes.yaml"


def page(store: Store, sweep: Sweep, results: list[Drawn | NotDrawn]) -> str:
    """The page as Markdown."""
    claims = evaluate(store, sweep)
    spent = cost(store, sweep)
    template = Template((Path(__file__).parent / "papers.md.j2").read_text(encoding="utf-8"), undefined=StrictUndefined)
    return template.render(
        trials=sweep.planned.height,
        done=sweep.trials.height,
        minutes=f"{spent.cpu_s / 60:.0f}",
        scale=sweep.scale,
        protocols="\n".join(_protocol(store, member) for member in sweep.members),
        figures="\n".join(_figure(result) for result in results),
        claims="\n".join(_claim(claim) for claim in claims),
        notes=_notes(claims),
        rows="\n".join(line for claim in claims for line in _rows(claim)),
    )


def _protocol(store: Store, member: Sweep) -> str:
    own = load_sweep(member.base, None)
    fed = [name for name, entry in FIGURES.items() if member.base in entry.needs]
    minutes = cost(store, member).cpu_s / 60
    return (
        f"| `{member.base}` | {_question(member.base)} | {member.planned.height}, {minutes:.1f} | {len(own.specs)}"
        f" | {', '.join(fed)} |"
    )


def _question(name: str) -> str:
    """The lines after `# Question:` in the header of a sweep file."""
    words = []
    for line in builtin_sweeps()[name].splitlines():
        text = line.removeprefix("#").strip()
        if text.startswith("Question:"):
            words.append(text.removeprefix("Question:").strip())
        elif words and not text.startswith("Prediction:"):
            words.append(text)
        elif words:
            break
    return " ".join(words)


def _figure(result: Drawn | NotDrawn) -> str:
    entry = FIGURES[result.name]
    if isinstance(result, NotDrawn):
        needs = ", ".join(entry.needs)
        return f"| `{result.name}` | {entry.papers} | {entry.summary} | {needs} | not drawn: {result.why} |"
    return f"| `{result.name}` | {entry.papers} | {entry.summary} | {result.made} | drawn |"


def _claim(claim: Claim) -> str:
    counts = Counter(row.verdict for row in claim.rows)
    told = yaml.safe_load(NOTES.read_text(encoding="utf-8")).get(claim.name, {})
    numbers = " | ".join(str(counts[verdict] or "") for verdict in VERDICTS)
    return f"| {claim.statement} [{claim.evidence}] | {numbers} | {told.get('here', '')} |"


def _notes(claims: list[Claim]) -> str:
    told = yaml.safe_load(NOTES.read_text(encoding="utf-8"))
    return "\n".join(
        f"- **{claim.short[:1].upper()}{claim.short[1:]}.** {told[claim.name]['why']}"
        for claim in claims
        if "why" in told.get(claim.name, {})
    )


def _rows(claim: Claim) -> list[str]:
    lines = [f"\n**{claim.short}** (margin: {claim.reasoning.rstrip('.')})\n"]
    lines += ["| where | verdict | effect [95 % interval] | n | otherwise |", "|---|---|---|---|---|"]
    several = len({row.contrast for row in claim.rows}) > 1
    return [*lines, *(_row(row, f"{row.label}: {row.contrast}" if several else row.label) for row in claim.rows)]


def _row(row: Row, where: str) -> str:
    turned = [f"{other.choice}: {other.verdict}" for other in row.sensitivity if other.verdict != row.verdict]
    said = row.said or row.why
    otherwise = "; ".join(turned) or ("same" if row.sensitivity else "")
    return f"| {where} | {row.verdict} | {said} | {row.n or ''} | {otherwise} |"


def contradiction_page(drawn: Drawn, reading: str) -> str:
    """docs/contradiction.md, from the figure's own data."""
    effects = drawn.frame.drop_nulls("factor").to_dicts()
    cells = drawn.frame.drop_nulls("cell")
    template = (Path(__file__).parent / "contradiction.md.j2").read_text(encoding="utf-8")
    ranges = [
        f"With {labels} labels, readings run from {number(own['m_coherence'].min())} to"
        f" {number(own['m_coherence'].max())} by setting alone."
        for labels in ("real", "random")
        if (own := cells.filter(cells["labels"] == labels)).height
    ]
    return Template(template, undefined=StrictUndefined).render(
        seeds=min(effect["seeds"] for effect in effects),
        effects="\n".join(map(_effect, effects)),
        ranges=" ".join(ranges),
        reading=reading,
    )


def _effect(row: dict[str, Any]) -> str:
    middle, low, high = (number(exp(row[key])) for key in ("log_ratio", "low", "high"))
    return (
        f"| {row['factor']}, {row['second']} over {row['first']} | {_labels(row)} | {middle} [{low}, {high}]"
        f" | {row['pairs']} |"
    )


def _labels(row: dict[str, Any]) -> str:
    return "" if row["labels"] == "both" else str(row["labels"])


def main() -> None:
    """Draw, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("results"))
    parser.add_argument("--sweep", default="papers.laptop")
    given = parser.parse_args()
    store = Store(given.store)
    sweep = open_sweep(store, given.sweep)
    results = list(draw_all(store, sweep))
    for result in results:
        if isinstance(result, Drawn) and result.name in PICTURES:
            (ROOT / "docs" / "images" / f"{result.name}.png").write_bytes(result.png)
    explained = next((one for one in results if isinstance(one, Drawn) and one.name == "what-explains"), None)
    if explained is not None:
        reading = yaml.safe_load(NOTES.read_text(encoding="utf-8"))["contradiction"]
        (ROOT / "docs" / "contradiction.md").write_text(contradiction_page(explained, reading), encoding="utf-8")
    (ROOT / "docs" / "papers.md").write_text(page(store, sweep, results), encoding="utf-8")


if __name__ == "__main__":
    main()
