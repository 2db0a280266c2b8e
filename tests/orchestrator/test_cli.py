import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.cli import command, main
from orchestrator.cost import rough_seconds
from orchestrator.load import builtin_sweeps
from orchestrator.local import run_local
from orchestrator.sweep import Sweep
from orchestrator.yaml_file import parse_yaml
from tests.orchestrator.fakes import FakeTrial
from trainables.records import SCHEMAS
from trainables.spec import TrialSpec

Coherence = Callable[..., tuple[int, str, str]]

HEAVY = ("torch", "ray", "wandb", "matplotlib", "numba", "sklearn", "mlxtend")
VERBS = [
    "list",
    "schema",
    "plan",
    "run",
    "status",
    "failures",
    "verify",
    "retry",
    "compact",
    "fsck",
    "new",
    "demo",
    "figures",
    "claims",
    "report",
    "show",
    "diff",
]


@pytest.mark.parametrize("verb", [*VERBS, "wandb push", "wandb report"])
def test_every_help_ends_with_an_example(verb: str, coherence: Coherence) -> None:
    code, out, _ = coherence(*verb.split(), "--help")
    assert code == 0
    assert re.search(rf"Example:\s+coherence {verb}", out)


def test_no_verb_is_untested() -> None:
    named = {each.name or each.callback.__name__ for each in command().registered_commands if each.callback}
    assert named == set(VERBS)


def test_nothing_asked_is_help(coherence: Coherence) -> None:
    code, out, _ = coherence()
    assert code == 0
    assert "coherence plan demo" in out


def test_list_names_everything(coherence: Coherence, tmp_path: Path) -> None:
    _, out, _ = coherence("list", "--describe", "--store", tmp_path / "none")
    for name in ("demo", "smoke", "mnist-5k", "lenet", "winsorized", "permuted-labels", "level: required, >= 0, <= 50"):
        assert name in out


def test_schema_takes_what_the_loader_takes(coherence: Coherence) -> None:
    _, out, _ = coherence("schema")
    schema = json.loads(out)
    assert schema["required"] == ["name"]
    axes = schema["$defs"]["Axes"]["properties"]
    assert "lenet" in axes["model"]["items"]["anyOf"][0]["enum"]
    assert {"range"} == set(axes["seed"]["anyOf"][1]["properties"])


def test_built_in_sweeps_satisfy_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(Sweep.model_json_schema())
    for name, text in builtin_sweeps().items():
        check.validate(parse_yaml(text, name))
    assert not check.is_valid({"name": "x", "axes": {"aggregator": ["meen"]}})


def test_plan_says_what_is_left_and_on_what_it_rests(
    coherence: Coherence, fake_trial: FakeTrial, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    _, out, _ = coherence("plan", "smoke", "--json", "--store", results)
    plan = json.loads(out)
    assert (plan["planned"], plan["pending"], len(plan["to_run"])) == (2, 2, 2)
    assert "rough" in plan["basis"]
    coherence("run", "smoke", "--local", "--store", results)
    _, out, _ = coherence("plan", "smoke", "--store", results)
    assert "nothing to run" in out
    # Trials of another seed are judged by those that ran.
    (tmp_path / "more.yaml").write_text(_more())
    _, out, _ = coherence("plan", tmp_path / "more.yaml", "--json", "--store", results)
    plan = json.loads(out)
    assert (plan["done"], plan["pending"]) == (2, 1)
    assert plan["basis"] == "measured on trials of this store"


def _more() -> str:

    return builtin_sweeps()["smoke"].replace("[0, 2]", "[0, 3]")


def test_estimates_grow_with_the_work(tiny_spec: TrialSpec) -> None:
    longer = tiny_spec.model_copy(update={"epochs": 10})
    assert 0 < rough_seconds(tiny_spec) < rough_seconds(longer)


def test_compacted_copy_reads_the_same(coherence: Coherence, fake_trial: FakeTrial, tmp_path: Path) -> None:
    results, copy = tmp_path / "results", tmp_path / "copy"
    coherence("run", "smoke", "--local", "--store", results)
    assert coherence("compact", "--out", copy, "--store", results)[0] == 0
    for table in ("trials", "attempts", "steps"):
        [file] = (copy / table).rglob("*.parquet")
        assert pq.read_schema(file).remove_metadata().equals(SCHEMAS[table].remove_metadata())
        parts = sorted((results / table).rglob("*.parquet"))
        assert pq.read_table(file).to_pylist() == [row for part in parts for row in pq.read_table(part).to_pylist()]
    code, out, _ = coherence("status", "smoke", "--json", "--store", copy)
    assert (code, json.loads(out)["done"]) == (0, 2)
    code, out, _ = coherence("run", "smoke", "--local", "--store", copy)
    assert (code, "nothing to run" in out) == (0, True)
    code, _, err = coherence("compact", "--out", copy, "--store", results)
    assert code == 2
    assert "is not empty" in err


def test_a_shadowed_package_is_named(coherence: Coherence, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from orchestrator import packages

    monkeypatch.setattr(packages, "locate", lambda name: tmp_path / name)
    code, _, err = coherence("list")
    assert code == 2
    assert str(tmp_path / "trainables") in err


@pytest.mark.parametrize("arguments", [["list"], ["plan", "demo"], ["status", "demo"], ["figures", "--help"]])
def test_light_verbs_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from orchestrator.cli import main; assert main(sys.argv[1:]) == 0;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_main_gives_back_the_code() -> None:
    assert main(["plan", "no-such-sweep"]) == 2


def test_demo_runs_draws_and_reports(coherence: Coherence, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole way with two tiny trials in the place of the 48, and this process in the place of Ray."""
    small = builtin_sweeps()["smoke"].replace("name: smoke", "name: demo")
    monkeypatch.setattr("orchestrator.load.builtin_sweeps", lambda: {"demo": small})
    monkeypatch.setattr("orchestrator.run._on_ray", _here)
    results = tmp_path / "results"
    code, out, err = coherence("demo", "--store", results)
    assert code == 0, err
    assert (results / "reports" / "demo.html").exists()
    told = [line for line in out.splitlines() if str(results) in line]
    assert len(told) == 2


def _here(plan: Any, loaded: Any, store: Any, options: Any, where: Any, observer: Any, stop: Any) -> None:
    run_local(list(plan.to_run.values()), options, observer, stop.is_set, plan.estimates)
