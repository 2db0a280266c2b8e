"""Write docs/reliability.md from what the campaigns left in benchmarks/results.

python -m benchmarks.faults --json benchmarks/results/faults.json
python -m benchmarks.memory_faults --json benchmarks/results/memory_faults.json
python -m benchmarks.cluster_faults --json benchmarks/results/cluster_faults.json
python -m benchmarks.reliability
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parents[1]
CAMPAIGNS = ("faults", "memory_faults", "cluster_faults")
NAMES = {
    "equal": "equal (table, trial) pairs",
    "pairs": "(table, trial) pairs",
    "steps": "steps of the finished trials",
    "steps_made": "steps made, in attempts whose end is known",
    "ended": "drivers that ended under way, by exit code",
    "codes": "exit codes of the last drivers, the very last of which completes the sweep",
    "killed": "times that a worker which held a trial was killed",
    "withstood": "times that memory was taken and none was killed",
    "failures": "attempts that failed or were preempted, by class",
    "fsck": "findings of `coherence fsck`, by kind",
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
    return environment.get_template("reliability.md.j2").render(
        {name: _result(name) for name in CAMPAIGNS}, commands=[_command(name) for name in CAMPAIGNS if _result(name)]
    )


def _result(name: str) -> dict[str, Any] | None:
    file = ROOT / "benchmarks" / "results" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _command(name: str) -> str:
    """With the options that the result was made with."""
    result = _result(name) or {}
    options = [f"--{option} {result[option]}" for option in ("seed", "seeds", "kills", "actions") if option in result]
    return " ".join(["python -m", f"benchmarks.{name}", *options, f"--json benchmarks/results/{name}.json"])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    (ROOT / "docs" / "reliability.md").write_text(page().strip() + "\n", encoding="utf-8")
