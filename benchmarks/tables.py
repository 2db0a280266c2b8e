"""Write the tables of docs/performance.md from what the benchmarks left in benchmarks/results.

python -m benchmarks.driver
python -m benchmarks.throughput
python -m benchmarks.probe
python -m benchmarks.tables
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"


def driver(result: dict[str, Any]) -> str:
    """A line for every group of trials."""
    head = ["trials", "seconds", "trials/s", "slots busy", "longest gap", "driver"]
    rows = [
        [
            f"{first + 1:,} to {first + row['trials']:,}",
            f"{row['seconds']:.0f}",
            f"{row['trials_per_s']:.1f}",
            f"{row['busy']:.0%}",
            f"{row['gap_s']:.1f} s",
            f"{row['driver_mib']:.0f} MiB",
        ]
        for first, row in _numbered(result["groups"])
    ]
    return f"{_table(head, rows)}\n\nIn all {result['wall_s']:.0f} s; {_load(result)}."


def efficiency(result: dict[str, Any]) -> str:
    """Over the whole launch, and between the first beginning and the last end."""
    head = ["from ... to", "wall", "training / (wall x slots)"]
    rows = [
        ["before Ray starts, after it has ended", f"{result['wall_s']:.0f} s", f"{result['efficiency']:.3f}"],
        [
            "first trial's beginning, last trial's end",
            f"{result['between_s']:.0f} s",
            f"{result['efficiency_between']:.3f}",
        ],
    ]
    text = (
        f"{result['trials']} trials of {result['seconds']:g} s on {result['slots']} slots,"
        f" {result['training_s']:.0f} s of training in all; longest time in which no slot worked"
        f" {result['largest_gap_s']:.2f} s; {_load(result)}."
    )
    return f"{_table(head, rows)}\n\n{text}"


def trivial(result: dict[str, Any]) -> str:
    """A line for each way."""
    head = ["way", "trials", "wall for each", "wall in all, start included", "load"]
    rows = [
        [row["way"], str(row["trials"]), f"{row['seconds_each']:.3f} s", f"{row['wall_s']:.0f} s", f"{row['load']:.1f}"]
        for row in result["ways"]
    ]
    return _table(head, rows)


def startup(result: dict[str, Any]) -> str:
    """A line for each command."""
    head = ["command", "wall", "CPU"]
    names = {
        "python": "`python -c pass`",
        "libraries": "`python -c 'import numpy, pyarrow, pydantic, typer, yaml'`",
        "plan": "`coherence plan demo`",
    }
    rows = [[text, f"{result[name]['wall_s']:.2f} s", f"{result[name]['cpu_s']:.2f} s"] for name, text in names.items()]
    return f"{_table(head, rows)}\n\nMedians; {_load(result)}."


def probe(result: dict[str, Any]) -> str:
    """A line for each model and number of examples."""
    rows = [
        [row["model"], f"{row['examples']:,}", f"{row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f})"]
        for row in result["rows"]
    ]
    repetitions = sorted({row["repetitions"] for row in result["rows"]})
    text = f"Medians and quartiles of {' or '.join(map(str, repetitions))} repetitions."
    return f"{_table(['model', 'examples', 'probe / plain passes'], rows)}\n\n{text}"


def aggregators(result: dict[str, Any]) -> str:
    """Methods down, models across."""
    rows = result["rows"]
    models = list(dict.fromkeys(row["model"] for row in rows))
    cells = {(row["method"], row["model"]): row for row in rows}
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        first = next(row for row in rows if row["method"] == method)
        line = [method, "" if first["k"] is None else str(first["k"]), str(first["batch"])]
        for model in models:
            row = cells.get((method, model))
            line.append(f"{row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f})" if row else "not run")
        lines.append(line)
    repetitions = sorted({row["repetitions"] for row in rows})
    text = f"Medians and quartiles of {' or '.join(map(str, repetitions))} bracketed repetitions."
    return f"{_table(['method', 'k', 'batch', *models], lines)}\n\n{text}"


def large_probe(result: dict[str, Any]) -> str:
    """A line for each number of examples."""
    rows = [[f"{row['examples']:,}", f"{row['seconds']:.1f} s", f"{row['mib']} MiB"] for row in result["large"]]
    return _table(["examples", "CPU", "peak memory above the state before"], rows)


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "driver": ("driver", driver),
    "efficiency": ("throughput", efficiency),
    "trivial": ("throughput", trivial),
    "startup": ("throughput", startup),
    "aggregators": ("aggregators", aggregators),
    "probe": ("probe", probe),
    "probe-large": ("probe", large_probe),
}
"""Name of the table -> file of results (in which `throughput` has a part for each), and what draws it."""


def filled(text: str) -> str:
    """The page with its tables, each between `<!-- NAME -->` and `<!-- /NAME -->`, as the results are now."""
    for name, (file, draw) in TABLES.items():
        content = _result(file).get(name) if file == "throughput" else _result(file)
        drawn = draw(content) if content else "*Not measured yet.*"
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = place.subn(lambda match, drawn=drawn: f"{match[1]}{drawn}\n{match[2]}", text)
        if found != 1:
            raise ValueError(f"{PAGE} has {found} places for the table {name!r}, expected one.")
    return text


def _result(file: str) -> dict[str, Any]:
    path = RESULTS / f"{file}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _numbered(groups: Iterable[dict[str, Any]]) -> Iterable[tuple[int, dict[str, Any]]]:
    first = 0
    for row in groups:
        yield first, row
        first += row["trials"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _load(result: dict[str, Any]) -> str:
    return f"load of the machine {result['load_before']:.0f} before and {result['load_after']:.0f} after"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
