"""`module:object` in a sweep file: imported by `run --allow-code` and `retry --allow-code`, and by nothing else."""

import importlib
import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from orchestrator.cli import main
from orchestrator.sweep import Sweep
from trainables import code
from trainables.code import allowed, folder_allowed
from trainables.spec import TrialSpec, canonical_json, parse_spec

MODULE = """
from pathlib import Path
Path(__file__).with_name("imported").touch()

def net(choice, shape, outputs):
    from math import prod
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), choice.width), nn.Linear(choice.width, outputs))

def blobs(choice):
    import numpy as np
    from trainables.datasets.arrays import Arrays
    x = np.random.default_rng(0).normal(size=(choice.size, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    return Arrays(x[20:], y[20:], x[:20], y[:20])

def _entry():
    from typing import Literal
    from trainables.registry import Choice, Entry
    class Halved(Choice):
        "Half the mean gradient."
        name: Literal["halved"]
        factor: float = 0.5
    return Entry(Halved, "my_code:halved", "half the mean", "nothing")

RULE = _entry()
NUMBER = 3

def halved(choice, tail_count):
    from trainables.aggregators.interface import Aggregator
    from trainables.gradients.types import Direction
    class Rule(Aggregator):
        def update(self, given, state):
            return Direction({k: choice.factor * v for k, v in given.tensors.items()}), state
    return Rule()
"""
SWEEP = """
name: coded
axes: {aggregator: [mean, my_code:RULE, {name: my_code:RULE, factor: 0.25}]}
fixed:
  dataset: {name: my_code:blobs, size: 100}
  model: {name: my_code:net, width: 5}
  optimizer: {name: sgd, lr: 0.1}
  batch_size: 20
  epochs: 1
  seed: 0
measure: {probe: null}
"""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def forget() -> None:
    """As in a process that has never seen the module."""
    sys.modules.pop("my_code", None)
    code._entry.cache_clear()
    importlib.invalidate_caches()


def coherence(*arguments: str, cwd: Path, importable: bool = False) -> Done:
    """The command in this folder. importable: the module could be imported without `--allow-code` too."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        if importable:
            patch.syspath_prepend(cwd)
        forget()
        returned = main(arguments)
    forget()
    return Done(returned, out.getvalue(), err.getvalue())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_code.py").write_text(MODULE)
    (tmp_path / "coded.yaml").write_text(SWEEP)
    return tmp_path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sweep has run, whose module has gone since."""
    folder = tmp_path_factory.mktemp("coded")
    (folder / "my_code.py").write_text(MODULE)
    (folder / "coded.yaml").write_text(SWEEP)
    done = coherence("run", "coded.yaml", "--local", "--allow-code", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "imported").exists()
    return folder


def test_a_trial_is_replayed_with_the_flag_alone(ran: Path, tmp_path: Path) -> None:
    trial = min(path.name for path in (ran / "results" / "trials").iterdir())
    (tmp_path / "my_code.py").write_text(MODULE)
    refused = coherence("verify", trial, "--store", str(ran / "results"), cwd=tmp_path)
    assert refused.returncode == 2
    assert not (tmp_path / "imported").exists()
    done = coherence("verify", trial, "--store", str(ran / "results"), "--allow-code", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "imported").exists()


NEVER = {
    "run": ["run", "coded.yaml", "--local"],
    "plan": ["plan", "coded.yaml"],
    "plan that measures": ["plan", "coded.yaml", "--calibrate"],
    "status": ["status", "coded.yaml"],
    "failures": ["failures", "coded.yaml"],
    "retry": ["retry", "coded.yaml", "--local"],
}


@pytest.mark.parametrize("verb", NEVER)
def test_nothing_is_imported_without_the_flag_and_the_refusal_names_it(verb: str, folder: Path) -> None:
    done = coherence(*NEVER[verb], cwd=folder, importable=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "my_code:" in line
    assert "only `coherence run --allow-code` imports" in line
    assert not (folder / "imported").exists()
    assert not (folder / "results").exists()


def test_the_schema_never_looks(folder: Path) -> None:
    done = coherence("schema", cwd=folder, importable=True)
    assert done.returncode == 0
    assert not (folder / "imported").exists()


def test_trials_are_told_apart_by_parameters_and_by_the_code(ran: Path) -> None:
    trials = pl.read_parquet(ran / "results/trials/*/*.parquet")
    assert sorted(trials["aggregator"]) == ["mean", "my_code:RULE", "my_code:RULE"]
    digests = {json.loads(spec)["model"]["code"] for spec in trials["spec"]}
    assert [len(one) for one in digests] == [16]
    assert trials["train_examples"].to_list() == [80] * 3


def test_edited_code_makes_other_trials(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
    (tmp_path / "my_code.py").write_text(MODULE + "\n# edited\n")
    again = coherence("run", "coded.yaml", "--local", "--allow-code", cwd=tmp_path)
    assert again.returncode == 0
    assert "3 trials added, 0 kept, 3 dropped" in again.stdout


READ = {
    "status": ["status", "coded", "--json"],
    "failures": ["failures", "coded"],
    "fsck": ["fsck"],
    "figures": ["figures", "coded", "--only", "learning-curves"],
    "claims": ["claims", "coded", "--short"],
    "compact": ["compact", "--out", "copy"],
    "another plan": ["plan", "smoke"],
}


@pytest.mark.parametrize("verb", READ)
def test_what_reads_the_store_never_imports_the_code(verb: str, ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
    (tmp_path / "imported").unlink()
    done = coherence(*READ[verb], cwd=tmp_path, importable=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "imported").exists()


REFUSED = {
    "no such module": ("my_code:net", "not_there:net", "'not_there:net' cannot be imported (ModuleNotFoundError"),
    "no such object": ("my_code:net", "my_code:nett", "cannot be imported (AttributeError"),
    "no function": ("my_code:net", "my_code:NUMBER", "is int, expected a function build(choice, shape, outputs)"),
    "an aggregator by function": (
        "my_code:RULE, {",
        "my_code:halved, {",
        "is function, expected a trainables.registry",
    ),
    "a wrong parameter": ("factor: 0.25", "factr: 0.25", "axes.aggregator[2].factr: unknown key 'factr'."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_code_is_one_line(case: str, folder: Path) -> None:
    before, after, says = REFUSED[case]
    (folder / "coded.yaml").write_text(SWEEP.replace(before, after))
    done = coherence("run", "coded.yaml", "--local", "--allow-code", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_allowing_ends_with_its_block(folder: Path, tiny_spec: TrialSpec) -> None:
    raw = json.loads(canonical_json(tiny_spec)) | {"model": {"name": "my_code:net", "width": 3}}
    with allowed(str(folder)):
        spec = TrialSpec.model_validate(raw)
        assert parse_spec(canonical_json(spec)) == spec
        changed = canonical_json(spec).replace(spec.model.code, "0" * 16)
        with pytest.raises(ValueError, match="was planned with 0000000000000000"):
            parse_spec(changed)
    assert folder_allowed() is None
    with pytest.raises(ValueError, match="names code"):
        parse_spec(canonical_json(spec))
    with pytest.raises(ValueError, match="names code"):
        Sweep.model_validate({"name": "x", "axes": {"model": ["my_code:net"]}})
