"""Looking at a sweep and at one trial: `status --watch`, `show`, and `run --json`."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator import cli
from orchestrator.errors import UserError
from orchestrator.events import Events
from orchestrator.store import open_store
from orchestrator.story import _of_examples, find_trial, story, story_lines
from orchestrator.watch import Watch, looks
from trainables.estimators import alpha_of_mean
from trainables.records import write_part

SWEEP = """
name: pair
axes:
  corruption: [none, {name: permuted-labels, fraction: 0.5}]
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [8]}
  optimizer: {name: sgd, lr: 0.1}
  batch_size: 64
  epochs: 1
measure: {probe: {examples: 100, schedule: log}}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """A sweep of four trials that ran, and the events that it printed."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "pair.yaml").write_text(SWEEP)
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", said)
        assert cli.main(["run", str(folder / "pair.yaml"), "--local", "--store", str(folder / "store"), "--json"]) == 0
    return folder / "store", [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_launch_in_lines_for_machines(ran):
    store, events = ran
    trials = {path.name for path in (store / "trials").iterdir()}
    assert {each["trial_id"] for each in events if each["event"] == "started"} == trials
    ended = {each["trial_id"]: each["outcome"] for each in events if each["event"] == "finished"}
    assert ended == dict.fromkeys(trials, "completed")
    (begin,) = [each for each in events if each["event"] == "begin"]
    assert (begin["sweep"], begin["to_run"], begin["slots"]) == ("pair", 4, 1)
    end = events[-1]
    assert (end["event"], end["done"], end["planned"], end["exit_code"]) == ("end", 4, 4, 0)
    times = [each["time"] for each in events]
    assert times == sorted(times)


def test_a_reader_that_leaves_stops_nothing():
    class Gone(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    events = Events(Gone())
    events.started("a")
    events.finished("a", "completed")


def test_the_story_of_a_trial_is_that_of_its_tables(ran):
    store = open_store(ran[0])
    identity = sorted(path.name for path in (ran[0] / "trials").iterdir())[0]
    row = pq.read_table(ran[0] / "trials" / identity).to_pylist()[0]
    told = json.loads(json.dumps(story(store, identity), allow_nan=False))
    assert (told["state"], told["outcome"], told["sweeps"]) == ("done", "completed", ["pair"])
    assert told["choices"]["model_widths"] == [8]
    assert told["final_accuracy"]["test"] == row["final_test_accuracy"]
    assert told["rows"]["steps"] == row["rows_steps"]
    assert [one["outcome"] for one in told["attempts"]] == ["completed"]
    assert told["coherence"]["source"] == "probe"
    layers = [
        each
        for path in (ran[0] / "layers" / identity).iterdir()
        for each in pq.read_table(path).to_pylist()
        if (each["source"], each["layer"], each["group"]) == ("probe", "*", "all")
    ]
    late = [each for each in layers if 10 <= each["step"] < 15]
    pooled = sum(each["s2"] for each in late) / sum(each["q"] for each in late)
    assert pooled in [pytest.approx(value) for _, value in told["coherence"]["curve"]]
    assert told["coherence"]["first"][1] == pytest.approx(layers[0]["s2"] / layers[0]["q"])
    assert any(command.startswith(f"coherence verify {identity}") for command in told["next"])
    assert all(line.isascii() for line in story_lines(told, plain=True))


@pytest.mark.parametrize(("k", "alpha"), [(1, 0.25), (4, 0.25), (16, 0.02)])
def test_units_of_several_examples_tell_the_coherence_of_examples(k, alpha):
    """S and Q of n units with the alpha that means of k examples of this alpha have."""
    n, q = 10, 3.0
    units = alpha_of_mean(alpha, k)
    s2 = q * (1 + (n - 1) * units)
    assert _of_examples(n, q, s2, k) == pytest.approx(1 + (n * k - 1) * alpha)


def test_a_beginning_is_enough_where_it_is_one_trials_own(ran):
    store = open_store(ran[0])
    known = sorted(path.name for path in (ran[0] / "trials").iterdir())
    assert [find_trial(store, identity[:11]) for identity in known] == known
    assert find_trial(store, known[0].upper()) == known[0]
    with pytest.raises(UserError, match=r"4 trials .* write more"):
        find_trial(store, "")
    with pytest.raises(UserError, match="begins with 'xyz'; it has 4"):
        find_trial(store, "xyz")


def test_a_trial_that_never_began_has_a_story(ran, tmp_path):
    (tmp_path / "more.yaml").write_text(SWEEP.replace("pair", "more").replace("[0, 2]", "[5, 6]"))
    from orchestrator.load import load_sweep
    from orchestrator.revisions import record_sweep
    from orchestrator.store import create_store

    store = create_store(tmp_path / "store")
    loaded = load_sweep(str(tmp_path / "more.yaml"), store)
    record_sweep(store, "more", loaded.specs, "x")
    told = story(store, next(iter(loaded.specs)))
    assert (told["state"], told["attempts"], told["coherence"], told["outcome"]) == ("pending", [], None, None)
    assert told["next"] == ["coherence run more"]
    assert list(story_lines(told))


def test_watching_ends_when_nothing_is_left(ran):
    watch = Watch(open_store(ran[0]), "pair")
    waited: list[float] = []
    (seen,) = looks(watch, 3.0, waited.append)
    assert waited == []
    assert set(seen.states.values()) == {"done"}
    assert sorted(set(seen.arms.values())) == ["none", "permuted-labels 0.5"]
    assert set(seen.curves) == set(seen.arms.values())
    assert seen.per_hour is not None
    assert seen.left_s is None


def test_watching_goes_on_while_something_waits(ran, tmp_path):
    import shutil

    shutil.copytree(ran[0], tmp_path / "store")
    store = open_store(tmp_path / "store")
    one = sorted(path.name for path in (tmp_path / "store" / "trials").iterdir())[0]
    kept = pq.read_table(tmp_path / "store" / "trials" / one / "part-0.parquet").to_pylist()
    store.trial_file(one).unlink()

    def finish(seconds: float) -> None:
        assert seconds == 3.0
        write_part(store.trial_file(one), "trials", kept, tag="test")

    seen = [snapshot.states[one] for snapshot in looks(Watch(store, "pair"), 3.0, finish)]
    assert seen == ["pending", "done"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--watch"],
        ["status", "pair", "--watch", "--json"],
        ["status", "none-such", "--watch"],
        ["show", "zz"],
        ["show", ""],
    ],
)
def test_misuse_is_one_line(ran, arguments, capsys):
    assert cli.main([*arguments, "--store", str(ran[0])]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1


def test_piped_it_prints_lines(ran, capsys):
    assert cli.main(["status", "pair", "--watch", "--store", str(ran[0])]) == 0
    assert capsys.readouterr().out == "pair: done 4\n"


def test_watching_says_that_something_failed(ran, tmp_path, capsys):
    import shutil

    shutil.copytree(ran[0], tmp_path / "store")
    store = open_store(tmp_path / "store")
    one = min(path.name for path in (tmp_path / "store" / "trials").iterdir())
    (row,) = pq.read_table(store.attempt_file(one, 0)).to_pylist()
    write_part(store.attempt_file(one, 0), "attempts", [{**row, "outcome": "failed", "failure": "bug"}], tag="test")
    store.trial_file(one).unlink()
    assert cli.main(["status", "pair", "--watch", "--store", str(tmp_path / "store")]) == 1
    assert capsys.readouterr().out == "pair: done 3, failed 1\n"
    assert Watch(store, "pair").snapshot().failures == {"bug": 1}
