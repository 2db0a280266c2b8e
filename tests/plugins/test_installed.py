"""A plugin that is installed: in a process of its own, since registries are made when they are imported."""

import json
from pathlib import Path

import pytest

from tests.plugins.stub import coherence, publish, python

MODEL = """
from typing import Annotated, Literal
from pydantic import Field
from trainables.models.choices import Network
from trainables.registry import Entry, Integer

class Narrow(Network):
    "A linear model through a bottleneck."
    name: Literal["narrow"]
    width: Annotated[Integer, Field(ge=1)] = 4

ENTRY = Entry(Narrow, "narrow_net:build", "a bottleneck", api=1)

def build(choice, shape, outputs):
    from math import prod
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), choice.width), nn.Linear(choice.width, outputs))
"""
SWEEP = """
name: plugged
axes: {model: [{name: narrow, width: 3}, {name: narrow, width: 4}, narrow]}
fixed: {dataset: digits, optimizer: {name: sgd, lr: 0.1}, batch_size: 200, epochs: 1, seed: 0}
measure: {probe: null}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that works, and one that cannot be imported, with a figure and a claim that cannot either."""
    site = tmp_path_factory.mktemp("site")
    publish(site, "narrow-net", MODEL, {"gradient_coherence.models": {"narrow": "narrow_net:ENTRY"}})
    bad = {kind: {f"bad-{kind}": "bad_plugin:ENTRY"} for kind in ("models", "figures", "claims", "instruments")}
    points = {f"gradient_coherence.{kind}": of for kind, of in bad.items()}
    publish(site, "bad-plugin", "raise SystemExit('the licence\\nhas expired')", points)
    return site


@pytest.fixture(scope="module")
def ran(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which the sweep has run."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "plugged.yaml").write_text(SWEEP)
    done = coherence("run", "plugged.yaml", "--local", sites=(site,), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_sweep_names_it_and_the_store_says_who_made_it(ran: Path) -> None:
    import polars as pl

    trials = pl.read_parquet(ran / "results/trials/*/*.parquet")
    assert trials["model"].to_list() == ["narrow"] * 2
    for spec, provenance in trials.select("spec", "provenance").iter_rows():
        assert json.loads(spec)["model"] in ({"name": "narrow"}, {"name": "narrow", "width": 3})
        [(name, plugin)] = json.loads(provenance)["plugins"].items()
        assert (name, plugin["version"], plugin["names"]) == ("narrow-net", "1.0", ["model 'narrow'"])
        assert len(plugin["sources"]) == 12


def test_without_it_the_store_is_whole_and_read_and_other_sweeps_are_planned(ran: Path) -> None:
    for arguments in (
        ["status", "plugged"],
        ["fsck"],
        ["plan", "smoke"],
        ["claims", "plugged", "--short"],
        ["figures", "plugged", "--only", "learning-curves"],
    ):
        done = coherence(*arguments, sites=(), cwd=ran)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    refused = coherence("plan", "plugged.yaml", sites=(), cwd=ran)
    assert refused.returncode == 2
    assert "axes.model[0]: unknown model 'narrow'" in refused.stderr


def test_a_broken_plugin_breaks_what_names_it_alone(ran: Path, site: Path) -> None:
    fine = coherence("plan", "plugged.yaml", sites=(site,), cwd=ran)
    assert (fine.returncode, "nothing to run" in fine.stdout) == (0, True)
    (ran / "bad.yaml").write_text(SWEEP.replace("narrow]", "bad-models]"))
    bad = coherence("plan", "bad.yaml", sites=(site,), cwd=ran)
    assert bad.returncode == 2
    assert len(bad.stderr.splitlines()) == 1
    assert "axes.model[2]: model 'bad-models' of bad-plugin 1.0 cannot be loaded (SystemExit: the licence" in bad.stderr


def test_a_broken_figure_or_claim_is_told_in_its_place(ran: Path, site: Path) -> None:
    drawn = coherence("figures", "plugged", sites=(site,), cwd=ran)
    assert drawn.returncode == 0
    assert "skipped bad-figures: figure 'bad-figures' of bad-plugin 1.0 cannot be loaded" in drawn.stderr
    named = coherence("figures", "plugged", "--only", "bad-figures", sites=(site,), cwd=ran)
    assert (named.returncode, len(named.stderr.splitlines())) == (2, 1)
    judged = coherence("claims", "plugged", "--json", sites=(site,), cwd=ran)
    assert judged.returncode == 0
    last = json.loads(judged.stdout)["claims"][-1]
    assert (last["name"], last["rows"][0]["verdict"]) == ("bad-claims", "not measured")
    assert "bad-plugin 1.0 cannot be loaded" in last["rows"][0]["why"]


def test_list_and_schema_know_it(ran: Path, site: Path) -> None:
    listed = coherence("list", "--describe", sites=(site,), cwd=ran)
    assert listed.returncode == 0
    assert "narrow                 a bottleneck [narrow-net 1.0]" in listed.stdout
    assert "width: default 4, >= 1" in listed.stdout
    assert "bad-models             cannot be used: " in listed.stdout
    made = coherence("schema", sites=(site,), cwd=ran)
    schema = json.loads(made.stdout)
    assert [line.partition(" of ")[0] for line in made.stderr.splitlines()] == [
        "left out: model 'bad-models'",
        "left out: instrument 'bad-instruments'",
    ]
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({"name": "x", "axes": {"model": ["narrow", {"name": "narrow", "width": 3}, "lenet"]}})
    assert not check.is_valid({"name": "x", "axes": {"model": [{"name": "narrow", "width": 0}]}})
    assert not check.is_valid({"name": "x", "axes": {"model": ["bad-models"]}})


def test_words_of_a_refusal_are_about_its_own_parameters(ran: Path, site: Path) -> None:
    for wrong, says in (
        (
            "{name: narrow, widht: 3}",
            "axes.model[0].widht: unknown key 'widht'. Did you mean 'width'? Known: name, width.",
        ),
        ("{name: narrow, width: 0}", "axes.model[0].width: given 0, expected at least 1."),
    ):
        (ran / "wrong.yaml").write_text(SWEEP.replace("{name: narrow, width: 3}", wrong))
        refused = coherence("plan", "wrong.yaml", sites=(site,), cwd=ran)
        assert refused.returncode == 2
        assert says in refused.stderr


def test_what_is_not_named_is_not_imported(site: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from orchestrator.cli import main; assert main(['plan', 'smoke']) == 0;"
        "print([name for name in ('narrow_net', 'bad_plugin', 'torch') if name in sys.modules])"
    )
    assert python(code, site, cwd=tmp_path).splitlines()[-1] == "[]"
