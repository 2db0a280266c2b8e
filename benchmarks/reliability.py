"""Write docs/reliability.md from what the campaigns left in benchmarks/results.

python -m benchmarks.faults --json benchmarks/results/faults.json
python -m benchmarks.memory_faults --json benchmarks/results/memory_faults.json
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
CAMPAIGNS = ("faults", "memory_faults", "cluster_faults", "object_store_faults", "object_store_faults_radosgw")
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
    return environment.get_template("reliability.md.j2").render(
        {name: _result(name) for name in CAMPAIGNS}, commands=[_command(name) for name in CAMPAIGNS if _result(name)]
    )


def _result(name: str) -> dict[str, Any] | None:
    file = ROOT / "benchmarks" / "results" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _command(name: str) -> str:
    """With the options that the result was made with."""
    result = _result(name) or {}
    given = ("seed", "seeds", "kills", "actions", "faults", "epochs")
    options = [f"--{option} {result[option]}" for option in given if option in result]
    module = name.removesuffix("_radosgw")
    options += ["--server radosgw"] if module != name else []
    options += ["--seeds 3 --epochs 8"] if module == "object_store_faults" else []
    return " ".join(["python -m", f"benchmarks.{module}", *options, f"--json benchmarks/results/{name}.json"])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


if __name__ == "__main__":
    (ROOT / "docs" / "reliability.md").write_text(page().strip() + "\n", encoding="utf-8")
