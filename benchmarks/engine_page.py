"""Writes docs/engine.md from benchmarks/results/engine.json, fused.json, and engine-avx2.json with older instructions.

python -m benchmarks.engine_page [--machine "two cores of ..."]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from jinja2 import Template

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
INCOMPLETE = {"resnet-18-gn, width 16", "vit, dim 128, depth 4"}
MACHINE = "two cores of a shared x86 machine with AVX-512, little else on it"

Row = dict[str, Any]


def main() -> None:
    """Render the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", default=MACHINE)
    machine = parser.parse_args().machine
    found = json.loads((RESULTS / "engine.json").read_text())
    drift = json.loads((RESULTS / "fused.json").read_text()) if (RESULTS / "fused.json").exists() else []
    rows = [row for row in found["rows"] if row["device"] == "cpu"]
    sums = [row for row in found.get("breakdown", []) if row["layer"] == "*"]
    older = RESULTS / "engine-avx2.json"
    other = json.loads(older.read_text()) if older.exists() else {"rows": [], "breakdown": []}
    words = Template((Path(__file__).parent / "engine.md.j2").read_text(encoding="utf-8"), keep_trailing_newline=True)
    page = words.render(
        machine=machine,
        torch=found["torch"],
        repetitions=" or ".join(str(each) for each in sorted({row["repetitions"] for row in rows})),
        times=times([row for row in rows if row["batch"] == 128]),
        half=times([row for row in rows if row["batch"] == 64]),
        memory=memory(found.get("memory", [])),
        breakdown=breakdown(sums),
        breakdown_batch=", ".join(str(each) for each in sorted({row["batch"] for row in sums})),
        drift=drifts(drift),
        steps=drift[0]["steps"] if drift else 0,
        older=times(other["rows"]) if other["rows"] else "",
        older_breakdown=breakdown([row for row in other["breakdown"] if row["layer"] == "*"]),
    )
    (ROOT / "docs/engine.md").write_text(page, encoding="utf-8")


def times(rows: list[Row]) -> str:
    """Methods down, models and batch sizes across."""
    columns = list(dict.fromkeys((row["model"], row["batch"]) for row in rows))
    cells = {(row["method"], row["model"], row["batch"]): row for row in rows}
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        line = [method]
        for column in columns:
            row = cells.get((method, *column))
            star = "\\*" if row and method.startswith("BackPACK") and row["model"] in INCOMPLETE else ""
            line.append(f"{row['ratio']:.2f}{star} ({row['low']:.2f}-{row['high']:.2f})" if row else "")
        lines.append(line)
    return table(["method", *(f"{model}, {batch}" for model, batch in columns)], lines)


def memory(rows: list[Row]) -> str:
    """Methods down, models across."""
    if not rows:
        return ""
    models = list(dict.fromkeys(row["model"] for row in rows))
    cells = {(row["method"], row["model"]): row for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [[method, *(_mib(cells[method, m]) if (method, m) in cells else "" for m in models)] for method in methods]
    return table(["method", *models], lines)


def _mib(row: Row) -> str:
    return f"{row['mib']:.0f} ({row['low']:.0f} to {row['high']:.0f})"


def breakdown(rows: list[Row]) -> str:
    """Networks down."""
    lines = [[row["model"], *(f"{row[key]:.1f}" for key in ("ordinary_ms", "fused_ms", "norms_ms"))] for row in rows]
    return table(["network", "ordinary", "fused", "beside, for exact"], lines) if rows else ""


def drifts(rows: list[Row]) -> str:
    """Networks down."""
    lines = [
        [row["model"], f"{row['gradient']:.1e}"]
        + [f"{row[key]:.1e} ({row[key + '_reordered']:.1e})" for key in ("weights", "alpha", "loss")]
        for row in rows
    ]
    return table(["network", "gradient", "weights", "alpha", "loss"], lines) if rows else ""


def table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
