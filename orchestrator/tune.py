"""Runs trials on Ray, through Tune; the only door to Ray. Importing this module imports Ray (seconds).

Tune schedules and retries, nothing more: what is done and from where a trial resumes is decided by the
store, so Tune's own state lives in a temporary folder that is thrown away. Only the loss of a worker
counts as a failure for Tune; a trial's own exception is recorded, and tried again where it may be, in the worker.
"""

# ruff: noqa: ARG002 - Tune calls its hooks with these very keywords

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator import packages, preempt, preflight, retries
from orchestrator.address import TOKEN, no_cluster, require_answer
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.endings import Endings
from orchestrator.errors import one_line
from orchestrator.families import family_key
from orchestrator.launch import ForWorkers, Launch
from orchestrator.observer import Observer
from orchestrator.others import Others
from orchestrator.packing import PackKind, Share
from orchestrator.plugins_used import modules_of
from orchestrator.probe_device import cap_memory, share_of
from orchestrator.promised import BOOTSTRAP, promised
from orchestrator.quiet import log_path, quiet
from orchestrator.resources import ClusterError, Node, NodeType, Resources, fit, with_startable
from orchestrator.retries import Attempt, run_with_retries
from orchestrator.scratch import environment, short_folder
from orchestrator.shapes import FindShares, Shapes, packed
from orchestrator.stop import StopPoll, StopSwitch, family_flag, kept_handler
from orchestrator.store import Store
from trainables.code import allowed
from trainables.location import Location, locate
from trainables.spec import TrialSpec, canonical_json, parse_spec, trial_id

WAVE = 1000
"""Trials per Tuner: the driver's Tune state grows with each."""

RETRIES = sum(retries.RETRIES.values())
"""Times that Tune starts a trial again; the worker looks first whether the trial's failures allow it."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Trials pass nothing through Ray's object store; its default is a third of the memory."""

CONNECT_S = 60
"""Seconds that a node gets to look at itself."""

HEAD = "node:__internal_head__"
"""A resource that Ray gives to the head alone."""

PROBE_S = 1800
"""Seconds that a probe of a GPU may take, the start of a node by an autoscaler included."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


def run_on_ray(
    specs: Sequence[TrialSpec],
    options: RunOptions,
    resources: Resources,
    address: str | None,
    observer: Observer,
    should_stop: Callable[[], bool],
    estimates: Mapping[str, float] | None = None,
    *,
    short: Mapping[PackKind, int] | None = None,
    attempt: Attempt = run_attempt,
    find_shares: FindShares | None = None,
) -> None:
    """Run each spec, as many at once as the nodes hold, and tell `observer` how each ended.

    address: of a running cluster; None starts a Ray of its own and ends it (or uses the one that this
    process is connected to already). estimates: CPU seconds by trial id, recorded with each attempt.
    short: asks for a share of a GPU to be measured for each kind of trial (`resources.gpu` is then the most that one
    takes); how often kinds ran out of device memory before. attempt, find_shares: in place of `run_attempt` in the
    worker, and of probes on a GPU of the cluster.
    Raises ClusterError before any trial starts where the nodes cannot run these trials, and
    KeyboardInterrupt after Ctrl-C, once the running trials have saved a checkpoint.
    """
    if not specs:
        return
    if address is not None:
        require_answer(address)
    store = locate(options.store).absolute()
    log = log_path(store, "ray")
    observer.note(f"Ray's own messages go to {log}")
    with quiet(log), environment(SETTINGS), short_folder() as scratch, _connected(address, scratch):
        nodes = _nodes(scaling=address is not None)
        resources, notice = fit(resources, nodes, auto=short is not None)
        if notice:
            observer.note(notice)
        check_nodes(store, modules_of(specs, (json.loads(sink)["name"] for sink in options.sinks)))
        shapes = Shapes(resources)
        if short is not None and resources.gpu:
            shapes = packed(
                resources, specs, nodes, short, find_shares or partial(_find_shares, code=options.code), observer.note
            )
            shapes.require_feasible(nodes)
        with StopSwitch(store / "logs" / f"{log.stem}.stop", should_stop) as switch:
            digest = packages.sources_digest(packages.NUMERICS)
            options = replace(options, store=str(store))
            workers = ForWorkers(options, str(switch.flag), digest, attempt, dict(estimates or {}))
            launch = Launch(workers, observer, switch)
            endings = Endings(
                observer,
                Store(store),
                {trial_id(spec): spec for spec in specs},
                lambda spec: switch.request_family(family_key(spec)),
                switch.request,
                options.driver,
            )
            left, others = list(specs), Others(Store(store), options.driver, observer, lambda: switch.requested)
            while left and not switch.requested:
                shapes = _run_waves(left, launch, shapes, nodes, scratch, endings)
                others.add(endings.take_held(left))
                left = others.next_ready()
    if switch.interrupted:
        raise KeyboardInterrupt


def _run_waves(
    specs: Sequence[TrialSpec], launch: Launch, shapes: Shapes, nodes: Sequence[Node], scratch: Path, endings: Endings
) -> Shapes:
    """Once through all of these, until a stop is asked for; the shapes that those who are left would take."""
    for first in range(0, len(specs), WAVE):
        wave = specs[first : first + WAVE]
        while wave and not launch.switch.requested:
            _run_wave(wave, launch, shapes, shapes.at_once(nodes), scratch, endings)
            wave = endings.left(wave)
            shapes = shapes.fewer(nodes) if wave else shapes
    return shapes


def check_nodes(store: Location, plugins: Mapping[str, str] = preflight.NO_PLUGINS) -> None:
    """Refuse a cluster with a node that does not answer, or on which a trial would fail or mislead (`preflight`).

    plugins: distributions that the trials need, with their modules.
    """
    try:
        with preflight.notes_in(store) as folder, _by_value(packages, preflight):
            ids = [node["NodeID"] for node in _alive()]
            asked = [(node, time.time(), _ask(node, str(folder), plugins)) for node in ids]
            reports = [
                preflight.NodeReport(
                    node, ray.get(answer, timeout=CONNECT_S), since, time.time(), preflight.note_in(folder, node)
                )
                for node, since, answer in asked
            ]
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a node does not answer ({one_line(str(error), 200)}); is its memory full?") from error
    preflight.judge(reports, packages.seen_here(), preflight.versions(plugins), str(store))


@contextmanager
def _by_value(*modules: ModuleType) -> Iterator[None]:
    """A worker that sees other packages could not import the function that finds that out."""
    for module in modules:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _ask(node: str, folder: str, plugins: Mapping[str, str]) -> Any:
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(preflight.look).options(scheduling_strategy=where).remote(node, folder, plugins)  # type: ignore[call-arg]


@contextmanager
def _connected(address: str | None, scratch: Path) -> Iterator[None]:
    if address is None and ray.is_initialized():
        yield
        return
    # The workers' import path begins with the driver's folder: an empty one shadows nothing.
    empty = scratch / "empty"
    empty.mkdir()
    with chdir(empty), kept_handler(signal.SIGTERM):
        _connect(address, scratch)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None, scratch: Path) -> None:
    if address is None:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(scratch / "ray"),
        )
        return
    try:
        ray.init(address=address)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.AuthenticationError) as error:
        raise no_cluster(address, f"{one_line(str(error), 200)}; {TOKEN}") from error


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _nodes(*, scaling: bool) -> list[Node]:
    """Nodes at hand and, of a cluster that is `scaling`, those that its autoscaler may start: as Ray knows them or, on
    the head, as the file says that the cluster was started with."""
    alive = _alive()
    here = ray.get_runtime_context().get_node_id()
    nodes = [node["Resources"] for node in alive]
    known = with_startable(nodes, _node_types(alive))
    on_head = any(node["NodeID"] == here and HEAD in node["Resources"] for node in alive)
    if not scaling or len(known) > len(nodes) or not on_head:
        return known
    return nodes + promised(BOOTSTRAP.expanduser(), live_workers=sum(HEAD not in node for node in nodes))


def cluster_nodes(address: str) -> list[Node]:
    """The nodes of a running cluster, and those that its autoscaler may start; starts nothing."""
    require_answer(address)
    with environment(SETTINGS), short_folder() as scratch, quiet(scratch / "ray.log"), _connected(address, scratch):
        return _nodes(scaling=True)


def _node_types(alive: Sequence[dict[str, Any]]) -> list[NodeType]:
    # Ray keeps what its autoscaler was configured with, and shows it only here.
    config = ray._private.state.state.get_cluster_config()
    groups = config.node_group_configs if config is not None else ()
    names = [node["Labels"].get("ray.io/node-group") for node in alive]
    return [
        NodeType(dict(group.resources), None if group.max_count < 0 else group.max_count, names.count(group.name))
        for group in groups
    ]


def _find_shares(firsts: Mapping[PackKind, TrialSpec], most: int, code: str | None) -> dict[PackKind, Share]:
    """Measured on whole GPUs of the cluster, as many kinds at once as there are."""
    probe = ray.remote(num_cpus=1, num_gpus=1, max_calls=1)(_share)
    asked = {kind: probe.remote(canonical_json(spec), most, code) for kind, spec in firsts.items()}
    try:
        return {kind: ray.get(answer, timeout=PROBE_S) for kind, answer in asked.items()}
    except ray.exceptions.RayError as error:
        why = one_line(str(error).strip().rpartition("\n")[2], 200)
        raise ClusterError(f"gpu: auto: a probe of a GPU failed ({why}); give `resources.gpu` as a number.") from error


def _share(spec: str, most: int, code: str | None) -> Share:
    with allowed(code):
        return share_of(spec, most)


def _run_wave(
    specs: Sequence[TrialSpec], launch: Launch, shapes: Shapes, at_once: int, scratch: Path, endings: Endings
) -> None:
    points = [
        {
            "trial_id": identity,
            "spec": canonical_json(spec),
            "first_attempt": endings.first_attempt(identity),
            "resources": shapes.of(spec).model_dump(),
            "memory": shapes.memory(spec),
        }
        for identity, spec in ((trial_id(spec), spec) for spec in specs)
    ]
    events = _Events(endings, launch.observer)
    trainable = tune.with_parameters(_Worker, launch=launch.for_workers)
    tuner = tune.Tuner(
        tune.with_resources(trainable, _placement),
        param_space={"trial": tune.grid_search(points)},
        tune_config=tune.TuneConfig(reuse_actors=True, trial_name_creator=_name, trial_dirname_creator=_name),
        run_config=tune.RunConfig(
            name=f"wave-{points[0]['trial_id']}",
            storage_path=str(scratch / "tune"),
            verbose=0,
            callbacks=[events],
            stop=_StopWhenIdle(launch.switch, events, launch.observer),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),  # we have our own
        ),
    )
    try:
        with environment({"TUNE_MAX_PENDING_TRIALS_PG": str(at_once)}):
            tuner.fit()
    except RuntimeError as error:
        # Tune gives up altogether when the memory monitor kills a worker: the rest of the wave is run anew.
        if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
            raise
        endings.killed(events.running, error.__cause__)
    else:
        endings.wave_ended(specs)
    if endings.fatal is not None:
        raise endings.fatal


def _placement(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    wanted = Resources.model_validate(config["trial"]["resources"])
    return tune.PlacementGroupFactory([{"CPU": wanted.cpu, **({"GPU": wanted.gpu} if wanted.gpu else {})}])


def _name(trial: Any) -> str:
    return str(trial.config["trial"]["trial_id"])


class _Worker(tune.Trainable):
    """Runs in the worker, in its main thread, where SIGTERM can be heeded: one step is one whole trial."""

    def setup(self, config: dict[str, Any], launch: ForWorkers) -> None:  # type: ignore[override]
        self._launch = launch

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True  # the process is used again; each attempt begins by resetting it

    def step(self) -> dict[str, Any]:
        with preempt.heeded(), allowed(self._launch.options.code):
            result = _trial(self.config, self._launch)
        if preempt.told():
            ray.actor.exit_actor()
        return {**result, "done": True}


def _trial(config: dict[str, Any], launch: ForWorkers) -> dict[str, str]:
    """The result travels as Tune's last report."""
    if _digest_here() != launch.digest:
        raise ClusterError(
            f"this worker sees other sources of {', '.join(packages.NUMERICS)} ({packages.locate('trainables')}) than"
            " the process that started the sweep: they were edited since, or its node has another version."
        )
    point, asked, again = config["trial"], StopPoll(launch.flag), list[str]()

    def stopped() -> bool:
        return preempt.told() or asked()

    spec = parse_spec(point["spec"])
    if stopped() or family_flag(launch.flag, family_key(spec)).exists():
        return {"outcome": "interrupted"}
    options = replace(
        launch.options,
        first_attempt=point["first_attempt"],
        estimated_s=launch.estimates.get(point["trial_id"]),
    )
    if point["memory"] is not None:
        cap_memory(point["memory"])
    outcome = run_with_retries(spec, options, stopped, again.append, attempt=launch.attempt)
    return {"outcome": outcome, "again": " ".join(again)}


@cache
def _digest_here() -> str:
    return packages.sources_digest(packages.NUMERICS)


class _Events(tune.Callback):
    """Turns Tune's hooks, which are called with these keywords, into calls of the endings and the observer."""

    def __init__(self, endings: Endings, observer: Observer) -> None:
        self.running: set[str] = set()
        self._endings, self._observer = endings, observer

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given for a restore that is never asked for

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.running.add(_name(trial))
        self._observer.started(_name(trial))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.running.discard(_name(trial))
        result = trial.last_result or {}
        self._endings.ended(_name(trial), result.get("outcome", "interrupted"), result.get("again", ""))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.running.discard(_name(trial))
        self._endings.recovers(_name(trial), _error(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.running.discard(_name(trial))
        self._endings.gave_up(_name(trial), _error(trial))


def _error(trial: Any) -> BaseException | None:
    """What ended the trial's last attempt. `trial.get_pickled_error()` knows it only later."""
    file = trial.pickled_error_file
    if not file or not Path(file).exists():
        return None
    error = ray.cloudpickle.loads(Path(file).read_bytes())
    return error.cause if isinstance(error, ray.exceptions.RayTaskError) else error


class _StopWhenIdle(tune.Stopper):
    """Ends a wave once a stop was requested and the running trials have returned; none is killed."""

    def __init__(self, switch: StopSwitch, events: _Events, observer: Observer) -> None:
        self._switch, self._events, self._observer = switch, events, observer
        self._told = False

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self._switch.requested and not self._told:
            self._told = True
            self._observer.note("stopping: running trials save a checkpoint first")
        return self._switch.requested and not self._events.running
