"""The first mistakes a user makes: one clear line, exit 2, nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainables.records import SCHEMA_VERSION

Coherence = Callable[..., tuple[int, str, str]]

GOOD = """\
name: trial-run
axes:
  aggregator: [mean, {name: winsorized, level: 6}]
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [16]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.1}
  batch_size: 50
  epochs: 1
measure:
  online: {every: 5, layers: log}
  probe: {examples: 200, schedule: 1-2-5}
"""

MISTAKES = {
    "unknown model": ("name: mlp,", "name: mpl,", "fixed.model: unknown model 'mpl'. Did you mean 'mlp'?"),
    "unknown dataset": ("dataset: digits", "dataset: digit", "unknown dataset 'digit'. Did you mean 'digits'?"),
    "unknown aggregator": ("[mean,", "[meen,", "axes.aggregator[0]: unknown aggregator 'meen'. Did you mean 'mean'?"),
    "unknown corruption": ("permuted-labels", "shuffled", "fixed.corruption: unknown corruption 'shuffled'."),
    "unknown optimizer": ("name: sgd", "name: lamb", "fixed.optimizer: unknown optimizer 'lamb'."),
    "unknown key at the top": ("axes:", "axis:", "axis: unknown key 'axis'. Did you mean 'axes'?"),
    "unknown axis": ("  seed:", "  sead:", "axes.sead: unknown key 'sead'. Did you mean 'seed'?"),
    "unknown parameter": ("widths:", "width:", "fixed.model.width: unknown key 'width'. Did you mean 'widths'?"),
    "unknown key of a union": ("level: 6", "levl: 6", "axes.aggregator[1].levl: unknown key 'levl'."),
    "unknown part of measure": ("probe:", "prob:", "measure.prob: unknown key 'prob'. Did you mean 'probe'?"),
    "missing parameter": (", level: 6", "", "axes.aggregator[1].level: missing; give 'level'."),
    "missing field": ("  epochs: 1\n", "", "nothing says 'epochs'"),
    "missing name": ("name: trial-run\n", "", "name: missing"),
    "wrong type": ("lr: 0.1", "lr: fast", "fixed.optimizer.lr: given 'fast', expected a number."),
    "text for a number": ("batch_size: 50", "batch_size: '50'", "fixed.batch_size: given '50', expected an integer."),
    "truth for a number": ("epochs: 1", "epochs: true", "fixed.epochs: given true, expected an integer."),
    "a fraction of an epoch": ("epochs: 1", "epochs: 1.5", "fixed.epochs: given 1.5, expected an integer."),
    "no list for an axis": ("[mean, {name: winsorized, level: 6}]", "mean", "axes.aggregator: given 'mean'"),
    "empty axis": ("{range: [0, 2]}", "[]", "axes.seed: given an empty list"),
    "empty range": ("[0, 2]", "[2, 2]", "axes.seed: given {'range': [2, 2]}"),
    "null axis": ("{range: [0, 2]}", "", "axes.seed: given null"),
    "huge range": ("[0, 2]", "[0, 1000000000]", "more than 100000 values"),
    "fraction above 1": ("fraction: 0.5", "fraction: 1.5", "corruption.fraction: given 1.5, expected at most 1."),
    "fraction below 0": ("fraction: 0.5", "fraction: -0.5", "fraction: given -0.5, expected at least 0."),
    "NaN": ("lr: 0.1", "lr: .nan", "line 9: given .nan, expected a finite number."),
    "the word nan": ("lr: 0.1", "lr: nan", "fixed.optimizer.lr: given 'nan', expected a number."),
    "batch of nothing": ("batch_size: 50", "batch_size: 0", "fixed.batch_size: given 0, expected at least 1."),
    "batch above the data": ("batch_size: 50", "batch_size: 5000", "batch_size 5000 is larger than the 1400"),
    "probe above the data": ("examples: 200", "examples: 5000", "measure.probe.examples 5000 is larger than"),
    "level that clips nothing": ("level: 6", "level: 0.5", "replaces no value; the smallest level that does is 1.03"),
    "level above 50": ("level: 6", "level: 60", "axes.aggregator[1].level: given 60, expected at most 50."),
    "learning rate 0": ("lr: 0.1", "lr: 0", "fixed.optimizer.lr: given 0, expected more than 0."),
    "negative seed": ("{range: [0, 2]}", "[-1]", "axes.seed[0]: given -1, expected at least 0."),
    "unknown schedule": ("layers: log", "layers: lin", "measure.online.layers: given 'lin', expected 'log' or '1-2-5'"),
    "model and data at odds": ("{name: mlp, widths: [16]}", "lenet", "lenet needs images of at least 12 x 12"),
    "anchor": ("dataset: digits", "dataset: &d digits", "line 6: anchors are refused"),
    "broken YAML": ("[mean,", "[mean, [", "line "),
    "duplicate key": ("  epochs: 1", "  epochs: 1\n  epochs: 2", "line 12: key 'epochs' stands twice"),
    "said twice": ("  epochs: 1", "  epochs: 1\n  seed: 0", "'seed' is given 2 times"),
    "bad sweep name": ("name: trial-run", "name: ../Trial Run", "name: given '../Trial Run', expected a name of"),
    "exclude of nothing": ("measure:", "exclude: [{seed: 9}]\nmeasure:", "exclude[0]: {'seed': 9} matches no trial"),
    "exclude of all": ("measure:", "exclude: [{dataset: digits}]\nmeasure:", "it drops every trial"),
    "zip of unequal": ("  seed: {range: [0, 2]}", "zip: [{seed: [0, 1], init: [zeros]}]", "zip[0]: given seed has 2"),
    "bad resources": ("measure:", "resources: {cpus: 2}\nmeasure:", "resources.cpus: unknown key 'cpus'."),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_yaml(mistake: str, coherence: Coherence, tmp_path: Path) -> None:
    before, after, says = MISTAKES[mistake]
    assert before in GOOD
    file, store = tmp_path / "sweep.yaml", tmp_path / "store"
    file.write_text(GOOD.replace(before, after, 1))
    code, out, err = coherence("run", file, "--local", "--store", store)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err
    assert str(file) in err
    assert not store.exists()


def test_the_good_file_is_good(coherence: Coherence, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(GOOD)
    code, out, _ = coherence("plan", file, "--store", tmp_path / "store")
    assert code == 0
    assert "4 trials" in out
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "smoek"], "unknown sweep 'smoek'. Did you mean 'smoke'?"),
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read: No such file"),
        (["run"], "name a sweep"),
        (["runn", "smoke"], "No such command 'runn'"),
        (["run", "smoke", "--stor", "x"], "No such option"),
        (["run", "smoke", "--workers", "0"], "--workers"),
        (["run", "smoke", "--checkpoint-every", "soon"], "--checkpoint-every"),
        (["run", "smoke", "--local", "--workers", "2"], "--local runs one trial at a time"),
        (["run", "smoke", "--address", "a", "--workers", "2"], "--workers is for this machine"),
        (["run", "smoke", "--address", "nowhere"], "--address: given 'nowhere'"),
        (["run", "smoke", "--address", "127.0.0.1:1"], "127.0.0.1:1"),
        (["retry", "smoke"], "holds no sweep 'smoke' to retry"),
        (["status", "smoek"], "unknown sweep 'smoek'"),
        (["status"], "there is no store"),
        (["compact", "--out", "copy"], "there is no store"),
        (["wandb", "push", "smoke", "--mode", "live"], "--mode: given 'live'"),
    ],
)
def test_mistake_on_the_command_line(
    arguments: list[str], says: str, coherence: Coherence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = coherence(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not a store: it holds files but no _store.json"),
        ("{broken", "_store.json is damaged"),
        ("[]", "_store.json is damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "update gradient-coherence"),
        (json.dumps({"schema_version": 0}), "has schema version 0"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "plan", "status", "retry"])
def test_no_store_of_ours(verb: str, content: str | None, says: str, coherence: Coherence, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / ("notes.txt" if content is None else "_store.json")).write_text(content or "mine")
    code, out, err = coherence(verb, "smoke", "--store", store)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert len(list(store.iterdir())) == 1


def test_store_that_cannot_be_written(coherence: Coherence, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, says in [(tmp_path / "file", "is a file"), (tmp_path / "file" / "store", "Not a directory")]:
        code, out, err = coherence("run", "smoke", "--local", "--store", path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert says in err


def test_a_sweep_file_that_is_no_text(coherence: Coherence, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_bytes(b"name: \xff\xfe")
    code, _, err = coherence("plan", tmp_path / "sweep.yaml", "--store", tmp_path / "store")
    assert code == 2
    assert "no UTF-8 text (byte 6)" in err
