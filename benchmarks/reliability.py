"""Write docs/reliability.md from what the campaigns left in benchmarks/results.

python -m benchmarks.faults --json benchmarks/results/faults.json
python -m benchmarks.cluster_faults --json benchmarks/results/cluster_faults.json
python -m benchmarks.object_store_faults --json benchmarks/results/object_store_faults.json
python -m benchmarks.object_store_faults --server radosgw --json benchmarks/results/object_store_faults_radosgw.json
python -m benchmarks.reliability
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parents[1]
CAMPAIGNS = ("faults", "cluster_faults", "object_store_faults", "object_store_faults_radosgw")
NAMES = {
    "equal": "equal (table, trial) pairs",
    "pairs": "(table, trial) pairs",
    "steps": "steps of the finished trials",
    "steps_made": "steps made, in attempts whose end is known",
    "codes": "exit codes of the drivers, the last of which completes the sweep",
    "ended_early": "drivers that ended before the last fault and were started again, by exit code",
    "lost_request": "connections cut in the middle of a request",
    "lost_answer": "connections cut before an answer",
    "lost_half_answer": "connections cut in the middle of an answer",
    "rows_lost": "rows lost",
    "rows_doubled": "rows doubled or changed",
    "objects_left_over": "claims, checkpoints and temporary objects left over",
    "claims_and_checkpoints_left": "claims and checkpoints left over",
}


def numbers(result: dict[str, Any]) -> str:
    """A table with a line for each number."""
    lines = [f"| {NAMES.get(name, name)} | {_text(value)} |" for name, value in result.items()]
    return "\n".join(["| what | number |", "|---|---|", *lines])


def verdict(result: dict[str, Any]) -> str:
    """What it comes to."""
    differing = result["pairs"] - result["equal"]
    return "No row was lost or doubled." if not differing else f"**{differing} pairs differ.**"


def page() -> str:
    """The page, with a section for each campaign that has a result."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"numbers": numbers, "verdict": verdict}
    return environment.get_template("reliability.md.j2").render({name: _result(name) for name in CAMPAIGNS})


def _result(name: str) -> dict[str, Any] | None:
    file = ROOT / "benchmarks" / "results" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{number} with {name}" for name, number in value.items()]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


if __name__ == "__main__":
    (ROOT / "docs" / "reliability.md").write_text(page().strip() + "\n", encoding="utf-8")
