"""The worked example under docs: short, installed, run and drawn; test_templates runs its own tests."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.plugins.stub import coherence, install
from tests.plugins.test_templates import EXAMPLE


@pytest.mark.parametrize("path", sorted((EXAMPLE / "coherence_extras").glob("*.py")), ids=lambda path: path.stem)
def test_each_addition_is_under_forty_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 40


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_sweep_runs_and_its_figure_is_drawn(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(EXAMPLE, site)
    ran = coherence("run", str(EXAMPLE / "extras.yaml"), "--local", sites=(site,), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    trials = pl.read_parquet(tmp_path / "results/trials/*/*.parquet")
    assert sorted(trials.select("model", "aggregator").unique().rows()) == [
        (model, rule) for model in ("gated-mlp", "mlp") for rule in ("equal-norms", "mean")
    ]
    drawn = coherence("figures", "extras", "--only", "gap-vs-step", sites=(site,), cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "results/figures/extras/gap-vs-step.png").stat().st_size > 10_000


@pytest.mark.slow
def test_pip_installs_it(tmp_path: Path) -> None:
    """From a copy, since a build leaves files behind; without a network."""
    import shutil

    copy = shutil.copytree(EXAMPLE, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(tmp_path / "site"), str(copy)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = coherence("list", sites=(tmp_path / "site",), cwd=tmp_path)
    for name in ("gated-mlp", "equal-norms"):
        assert f"  {name}" in listed.stdout
    assert "[coherence-extras 0.1.0]" in listed.stdout
