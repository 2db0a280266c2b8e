"""One launch on a cluster, from connecting to the last trial's end."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from orchestrator import packages, preflight
from orchestrator.address import require_answer
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.data_here import data_of
from orchestrator.endings import Endings
from orchestrator.expectation import with_expectation
from orchestrator.families import family_key
from orchestrator.known_shares import remember
from orchestrator.launch import ForWorkers, Launch
from orchestrator.observer import Observer
from orchestrator.others import Others
from orchestrator.packing import Device, PackKind
from orchestrator.plugins_used import modules_of
from orchestrator.quiet import log_path, quiet
from orchestrator.resources import Node, Resources, fit
from orchestrator.retries import Attempt
from orchestrator.scratch import environment, short_folder
from orchestrator.shapes import FindShares, Shapes, packed
from orchestrator.stop import StopSwitch
from orchestrator.store import Store
from orchestrator.tune.connection import connected
from orchestrator.tune.nodes import check_nodes, nodes
from orchestrator.tune.probes import find_device as device_on_cluster
from orchestrator.tune.probes import find_shares as find_on_cluster
from orchestrator.tune.settings import SETTINGS
from orchestrator.tune.tuner import run_all
from trainables.location import locate
from trainables.spec import TrialSpec, trial_id


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
    find_device: Callable[[Callable[[str], None]], Device | None] | None = None,
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
    with quiet(log), environment(SETTINGS), short_folder() as scratch, connected(address, scratch):
        look = partial(nodes, scaling=address is not None)
        here = look()
        resources, notice = fit(resources, here, auto=short is not None)
        if notice:
            observer.note(notice)
        plugins = modules_of(specs, (json.loads(sink)["name"] for sink in options.sinks))
        check_nodes(store, data_of(specs), plugins)
        shapes = Shapes(resources)
        if short is not None and resources.gpu:
            find = find_shares or partial(find_on_cluster, code=options.code)
            shapes = _measured(resources, specs, here, short, find, observer, options, Store(store))
        elif 0 < resources.gpu < 1:
            shapes = replace(shapes, device=(find_device or device_on_cluster)(observer.note))
        with StopSwitch(store / "logs" / f"{log.stem}.stop", should_stop) as switch:
            digest, versions = packages.sources_digest(packages.NUMERICS), preflight.versions(plugins)
            options = replace(options, store=str(store))
            options = with_expectation(options, specs, estimates or {}, shapes, here)
            workers = ForWorkers(options, str(switch.flag), digest, versions, attempt, dict(estimates or {}), plugins)
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
                shapes = run_all(left, launch, shapes, look, scratch, endings)
                others.add(endings.take_held(left))
                left = others.next_ready()
    if switch.interrupted:
        raise KeyboardInterrupt


def _measured(
    resources: Resources,
    specs: Sequence[TrialSpec],
    here: Sequence[Node],
    short: Mapping[PackKind, int],
    find: FindShares,
    observer: Observer,
    options: RunOptions,
    store: Store,
) -> Shapes:
    """Shapes by shares of a GPU that are measured now, and kept in the store for `plan`."""
    keep = partial(remember, store, tag=options.driver)
    shapes = packed(resources, specs, here, short, find, observer.note, keep)
    shapes.require_feasible(here)
    return shapes
