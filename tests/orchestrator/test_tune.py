"""Trials on a real local Ray: each once, whatever happens to workers, other trials and the wish to go on."""

import errno
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator import packages, preflight, tune
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.quiet import quiet
from orchestrator.resources import ClusterError, Resources
from orchestrator.stop import StopPoll
from orchestrator.store import Store
from orchestrator.tune import nodes, tuner
from orchestrator.tune.forget import Forgetful
from tests.orchestrator.ray_session import CPUS, Recorder, lines, ray_session, tiny
from tests.trainables.photos import write_classes
from trainables.aggregators import AGGREGATORS
from trainables.datasets.folder import VARIABLE
from trainables.records import PARTED, SCHEMAS, write_part
from trainables.spec import TrialSpec, trial_id

__all__ = ["ray_session"]

Stop = Callable[[], bool]
pytestmark = pytest.mark.usefixtures("ray_session")


def never() -> bool:
    return False


def launch(
    store: Path, count: int = 0, attempt: tune.Attempt = run_attempt, specs: Sequence[TrialSpec] = (), **changes: Any
) -> Recorder:
    """Run `count` tiny trials, or these, with a stand-in for `run_attempt` and return what was observed."""
    observer = Recorder()
    given = {"resources": Resources(), "address": None, "observer": observer, "should_stop": never, **changes}
    tune.run_on_ray(specs or [tiny(seed) for seed in range(count)], RunOptions(str(store)), **given, attempt=attempt)
    return observer


def noting(path: Path) -> tune.Attempt:
    """An attempt that notes its seed and process, prints, and says it failed for seed 5."""

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{spec.seed} {os.getpid()}\n")
        os.write(1, b"a worker prints\n")
        return "failed" if spec.seed == 5 else "completed"

    return attempt


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> tuple[Path, Recorder]:
    """Twenty trivial trials that ask for a GPU nobody has; `terminal.txt` is what reached the terminal."""
    folder = tmp_path_factory.mktemp("twenty")
    with quiet(folder / "terminal.txt"):
        observer = launch(folder, 20, noting(folder / "ran.txt"), resources=Resources(gpu=0.25))
    return folder, observer


@pytest.mark.ray
def test_every_trial_runs_exactly_once_in_reused_workers(twenty: tuple[Path, Recorder]) -> None:
    folder, observer = twenty
    ran = lines(folder / "ran.txt")
    assert sorted(int(seed) for seed, _ in ran) == list(range(20))
    assert len({process for _, process in ran}) <= CPUS
    assert observer.begun == dict.fromkeys([trial_id(tiny(seed)) for seed in range(20)], 1)


@pytest.mark.ray
def test_a_failing_trial_stops_no_other(twenty: tuple[Path, Recorder]) -> None:
    _, observer = twenty
    failing = trial_id(tiny(5))
    assert list(observer.failures) == [failing]
    others = {identity: ended for identity, ended in observer.outcomes.items() if identity != failing}
    assert len(others) == 19
    assert all(ended == ["completed"] for ended in others.values())


@pytest.mark.ray
def test_a_gpu_that_no_node_has_is_dropped_with_one_notice(twenty: tuple[Path, Recorder]) -> None:
    assert len([note for note in twenty[1].notes if "no node has a GPU" in note]) == 1


@pytest.mark.ray
def test_chatter_goes_to_the_named_log_alone(twenty: tuple[Path, Recorder]) -> None:
    folder, observer = twenty
    (log,) = (folder / "logs").glob("ray-*.log")
    assert str(log) in observer.notes[0]
    assert "experiment" in log.read_text(encoding="utf-8")
    assert (folder / "terminal.txt").read_text(encoding="utf-8") == ""


@pytest.mark.ray
def test_a_killed_worker_costs_one_start_and_a_broken_one_only_its_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "RETRIES", 1)
    progress, killed = tmp_path / "progress.txt", tmp_path / "killed"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        if spec.seed == 2:
            raise RuntimeError("cannot even record")
        done = progress.read_text(encoding="utf-8").split() if progress.exists() else []
        for step in range(len(done), 4 if spec.seed == 1 else 0):
            with progress.open("a", encoding="utf-8") as file:
                file.write(f"{step}\n")
            if step == 2 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return "completed"

    observer = launch(tmp_path, 6, attempt)
    assert lines(tmp_path / "progress.txt") == [["0"], ["1"], ["2"], ["3"]]
    assert observer.begun[trial_id(tiny(1))] == 2
    assert {identity for identity, ended in observer.outcomes.items() if ended == ["completed"]} == {
        trial_id(tiny(seed)) for seed in (0, 1, 3, 4, 5)
    }
    assert observer.failures == {trial_id(tiny(2)): "RuntimeError: cannot even record"}
    assert any("its worker was lost" in note and trial_id(tiny(1)) in note for note in observer.notes)


@pytest.mark.ray
def test_a_family_with_one_bug_is_stopped_and_another_is_not(tmp_path: Path) -> None:
    ran = tmp_path / "ran.txt"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        with ran.open("a", encoding="utf-8") as file:
            file.write(f"{spec.seed}\n")
        if spec.aggregator.name == "mean":
            raise KeyError("the same in all")
        return "completed"

    observer = Recorder()
    family = [tiny(seed) for seed in range(9)]
    other = tiny(9).model_copy(update={"aggregator": AGGREGATORS["median-of-3"].params(name="median-of-3")})
    tune.run_on_ray(
        [*family, other], RunOptions(str(tmp_path)), Resources(), None, observer, never, attempt=recorded(attempt)
    )
    assert observer.outcomes[trial_id(other)] == ["completed"]
    outcomes = [observer.outcomes[trial_id(spec)] for spec in family]
    failed = outcomes.count(["failed"])
    # Those that were running when the third failed may fail as well.
    assert 3 <= failed <= 3 + CPUS
    assert outcomes.count(["interrupted"]) == len(family) - failed
    assert len([note for note in observer.notes if "stay pending" in note]) == 1
    assert not list((tmp_path / "logs").glob("*.stop*"))


def recorded(inner: tune.Attempt) -> tune.Attempt:
    """An attempt whose failure is recorded as `run_attempt` does."""

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        store, identity = Store(Path(options.store)), trial_id(spec)
        row = {"trial_id": identity, "attempt": store.next_attempt(identity), "outcome": "failed"}
        try:
            return inner(spec, options, should_stop)
        except KeyError as error:
            told = {"failure": "bug", "error_class": "KeyError", "fingerprint": "f" * 12, "message": str(error)}
            path = store.attempt_file(identity, store.next_attempt(identity))
            write_part(path, "attempts", [{**row, **told}], tag="0")
            return "failed"

    return attempt


@pytest.mark.ray
def test_a_stop_lets_running_trials_return_and_starts_no_other(tmp_path: Path) -> None:
    ran = tmp_path / "ran.txt"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        with ran.open("a", encoding="utf-8") as file:
            file.write(f"{spec.seed}\n")
        while not should_stop():
            time.sleep(0.02)
        return "interrupted"

    observer = launch(tmp_path, 30, attempt, should_stop=lambda: len(lines(ran)) >= CPUS)
    assert len(lines(ran)) == CPUS
    assert {ended for outcomes in observer.outcomes.values() for ended in outcomes} == {"interrupted"}
    assert not list((tmp_path / "logs").glob("*.stop"))


@pytest.mark.ray
def test_tune_holds_few_trials_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that run, as many that come next, and those that have just ended; in every place where Tune keeps some."""
    places = ("trials", "live_trials", "stopped_trials", "failed_trials", "trials_to_cache", "trial_metadata")
    held: dict[str, list[int]] = {name: [] for name in places}
    choose = Forgetful.choose_trial_to_run

    def counting(self: Forgetful, tune_controller: Any) -> Any:
        chosen = choose(self, tune_controller)
        for name, sizes in held.items():
            sizes.append(len(getattr(self._controller, f"_{name}", ())))
        return chosen

    monkeypatch.setattr(Forgetful, "choose_trial_to_run", counting)
    ran = tmp_path / "ran.txt"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        with ran.open("a", encoding="utf-8") as file:
            file.write(f"{spec.seed}\n")
        if spec.seed == 15:
            raise RuntimeError("cannot even record")
        return "completed"

    monkeypatch.setattr(tuner, "RETRIES", 0)
    observer = launch(tmp_path, 30, attempt)
    assert len(observer.outcomes) == 29
    assert list(observer.failures) == [trial_id(tiny(15))]
    assert 0 < max(held["trials"]) <= 3 * CPUS
    assert {name: max(sizes) <= 3 * CPUS for name, sizes in held.items()} == dict.fromkeys(places, True)
    order = [int(seed) for (seed,) in lines(ran)]
    assert all(abs(place - seed) <= CPUS for place, seed in enumerate(order)), "they begin in the order given"


@pytest.mark.ray
def test_a_full_disk_ends_the_launch_with_its_own_error(tmp_path: Path) -> None:
    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as caught:
        launch(tmp_path, 30, attempt)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.ray
def test_a_request_that_no_node_can_give_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"cpu: 64, .* no node can give \(nodes: 2 CPU, 0 GPU\)"):
        launch(tmp_path, 1, noting(tmp_path / "ran.txt"), resources=Resources(cpu=64))
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.ray
def test_other_sources_on_a_node_are_found_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    shadow = tmp_path / "mine" / "analysis"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("own = 1\n", encoding="utf-8")

    def ask(node: str, folder: str, plugins: Any) -> Any:
        path = os.pathsep.join(map(str, (shadow.parent, packages.locate("trainables").parent)))
        surroundings = {"env_vars": {"PYTHONPATH": path}}
        return ray.remote(num_cpus=0)(preflight.look).options(runtime_env=surroundings).remote(node, folder, plugins)

    monkeypatch.setattr(nodes, "ask", ask)
    with pytest.raises(ClusterError, match=f"analysis is at {shadow} there"):
        launch(tmp_path, 1, noting(tmp_path / "ran.txt"))
    assert not (tmp_path / "ran.txt").exists()


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrialSpec]:
    """Trials on a folder of images that this process knows and the workers of the session do not."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    path = write_classes(tmp_path / "photos", {"ant": 10, "bee": 10})
    dataset = {"name": "image-folder", "path": str(path), "size": 8}
    given = {**tiny(0).model_dump(mode="json"), "dataset": dataset, "batch_size": 4}
    return [TrialSpec.model_validate({**given, "seed": seed, "measure": {"probe": None}}) for seed in range(4)]


@pytest.mark.ray
def test_a_node_without_the_data_is_found_before_anything_runs(tmp_path: Path, photos: list[TrialSpec]) -> None:
    with pytest.raises(ClusterError, match=r"node \w+ \(.*\) cannot load .* is not known in .*Give its 'path:' again"):
        launch(tmp_path, specs=photos, attempt=noting(tmp_path / "ran.txt"))
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.ray
def test_a_worker_that_finds_no_data_ends_the_launch_with_one_line(
    tmp_path: Path, photos: list[TrialSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "check_data", lambda *_: None)
    observer = Recorder()
    with pytest.raises(ClusterError, match=r"a worker on .* cannot load .* is not known in"):
        launch(tmp_path, specs=photos, attempt=noting(tmp_path / "ran.txt"), observer=observer)
    assert not (tmp_path / "ran.txt").exists()
    assert observer.failures == {}
    assert not [note for note in observer.notes if "starts again" in note]


@pytest.mark.ray
def test_a_real_trial_killed_half_way_resumes_and_leaves_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("trainables.trial")
    import polars as pl

    killed, began = tmp_path / "killed", time.time()

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        calls = 0

        def kill_once() -> bool:
            nonlocal calls
            calls += 1
            if calls == 20 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return should_stop()

        return run_attempt(spec, options, kill_once if spec.seed == 0 else should_stop)

    observer, options = Recorder(), RunOptions(str(tmp_path / "ray"), checkpoint_every_s=0.0)
    specs = [tiny(0), tiny(1)]
    tune.run_on_ray(specs, options, Resources(), None, observer, never, attempt=attempt)
    assert observer.outcomes == {trial_id(spec): ["completed"] for spec in specs}
    run_attempt(tiny(0), RunOptions(str(tmp_path / "calm")), never)
    for table in PARTED:
        written = pl.DataFrame(pl.from_arrow(SCHEMAS[table].empty_table()))
        disturbed, calm = (
            pl.concat([written, *map(pl.read_parquet, Store(tmp_path / store).parts(table, trial_id(tiny(0))))])
            for store in ("ray", "calm")
        )
        assert disturbed.equals(calm), table
    attempts = pl.read_parquet(tmp_path / "ray" / "attempts" / trial_id(tiny(0)) / "*.parquet").sort("attempt")
    assert attempts["start_step"][-1] > 0
    assert attempts["outcome"].to_list() == ["failed", "completed"]
    assert attempts["failure"].to_list() == ["infrastructure", None]
    assert (attempts["started_at"] >= began).all()


def test_the_stop_flag_is_looked_at_now_and_then(tmp_path: Path) -> None:
    flag = tmp_path / "stop"
    poll = StopPoll(flag, interval_s=3600)
    assert not poll()
    flag.touch()
    assert not poll(), "within the interval the file system is left alone"
    assert StopPoll(flag)()


@pytest.mark.ray
def test_a_preempted_worker_saves_and_another_goes_on(tmp_path: Path) -> None:
    """SIGTERM reaches the trial at its next step; the process ends, and the trial begins again in a new one."""
    ran = tmp_path / "ran.txt"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        first = not ran.exists()  # nothing of this module can be named here: workers do not see it
        with ran.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if not first:
            return "completed"
        os.kill(os.getpid(), signal.SIGTERM)
        limit = time.monotonic() + 30
        while not should_stop() and time.monotonic() < limit:
            pass
        return "interrupted" if should_stop() else "failed"

    observer = launch(tmp_path, 1, attempt)
    assert observer.outcomes == {trial_id(tiny(0)): ["completed"]}
    assert len({tuple(line) for line in lines(ran)}) == 2


@pytest.mark.ray
def test_a_trial_that_somebody_else_has_comes_last(tmp_path: Path) -> None:
    ran = tmp_path / "ran.txt"

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Stop) -> str:
        known = ran.exists() and str(spec.seed) in ran.read_text(encoding="utf-8").split()
        with ran.open("a", encoding="utf-8") as file:
            file.write(f"{spec.seed}\n")
        return "held" if spec.seed == 0 and not known else "completed"

    observer = launch(tmp_path, 3, attempt)
    assert observer.outcomes[trial_id(tiny(0))] == ["held", "completed"]
    assert lines(ran)[-1] == ["0"]
    assert any("waiting" in note for note in observer.notes)
