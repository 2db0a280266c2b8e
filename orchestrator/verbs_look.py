"""The verbs that look and change nothing: list, schema, plan, status, failures, verify, compact."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.completing import sweeps
from orchestrator.errors import UserError
from orchestrator.options import (
    RESULTS,
    JsonOption,
    ScaleOption,
    StoreOption,
    SweepArgument,
    at_store,
    echo,
    echo_errors,
    exit_on,
    place,
)
from trainables.code import allowed

if TYPE_CHECKING:
    from orchestrator.nodes import Cluster


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command("list")(list_)
    for verb in (schema, plan, status, show, failures, verify, compact):
        app.command()(verb)


def list_(
    describe: Annotated[bool, typer.Option("--describe", help="With parameters and their limits.")] = False,
    store: StoreOption = RESULTS,
) -> None:
    """List the sweeps and everything that a sweep can name.

    Built-in sweeps, those of the store, and of each registry the built-in names and those of installed packages.

    \b
    Example:
      coherence list
      coherence list --describe
    """
    from orchestrator.revisions import sweep_names
    from orchestrator.show import list_lines
    from orchestrator.store import open_store

    echo(list_lines(sweep_names(open_store(store)), describe))


def schema() -> None:
    """Print the JSON Schema of a sweep file, for editors.

    It knows the packages that are installed. A first line `# yaml-language-server: $schema=sweep.schema.json` in a
    sweep file then gives completion and marks mistakes.

    Example: coherence schema > sweep.schema.json
    """
    from orchestrator.plugins_used import problems
    from orchestrator.sweep import Sweep

    typer.echo(json.dumps(Sweep.model_json_schema(), indent=2))
    echo_errors(f"left out: {line}" for line in problems())


def plan(
    sweep: SweepArgument,
    scale: ScaleOption = None,
    store: StoreOption = RESULTS,
    as_json: JsonOption = False,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Time the first steps of a trial of each kind, a few seconds each.")
    ] = False,
    nodes: Annotated[
        str | None, typer.Option("--nodes", help="Of a cluster to plan for: '1x(cpu=4)+4x(cpu=8,gpu=1)'.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster to plan for.")] = None,
    price: Annotated[
        float | None, typer.Option("--price", help="With --nodes or --address: of one node for an hour.")
    ] = None,
) -> None:
    """Say what a run would do and cost; writes nothing.

    Trials by state, CPU time, GPU-hours, wall time and disk space, each with an interval, for this machine or for the
    nodes that are named. The dry run of `run`: a mistake in a sweep file is found here.

    \b
    Example:
      coherence plan demo
      coherence plan label-noise --scale laptop --calibrate
      coherence plan demo --nodes "4x(cpu=8,gpu=1)" --price 1.20
    """
    from orchestrator.installed import require
    from orchestrator.load import load_sweep
    from orchestrator.nodes import check_price
    from orchestrator.plan import make_plan
    from orchestrator.show import plan_lines
    from orchestrator.store import open_store

    if sum(given is not None for given in (workers, nodes, address)) > 1:
        raise UserError("--workers, --nodes and --address each say how many trials run at once: give one of them.")
    check_price(price, cluster=nodes is not None or address is not None)
    if calibrate:
        require("torch")
    opened = open_store(store)
    loaded = load_sweep(sweep, opened, scale=scale)
    cluster = _cluster(nodes, address, price)
    made = make_plan(loaded, opened, workers=workers, calibrated=calibrate, cluster=cluster)
    echo([json.dumps(made.as_json())] if as_json else plan_lines(made, loaded, opened))
    exit_on(list(made.damage))


def _cluster(nodes: str | None, address: str | None, price: float | None) -> "Cluster | None":
    from orchestrator.installed import require
    from orchestrator.nodes import Cluster, parse_nodes

    if nodes is not None:
        return Cluster(parse_nodes(nodes), price)
    if address is None:
        return None
    require("ray")
    from orchestrator.tune import cluster_nodes

    return Cluster(cluster_nodes(address), price)


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(metavar="[SWEEP]", help="A sweep; left out: all in the store.", autocompletion=sweeps),
    ] = None,
    store: StoreOption = RESULTS,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the sweep as it goes on, by arm, until nothing is left to run.")
    ] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="With --watch: seconds between two looks.")] = 5.0,
) -> None:
    """Count trials by state. With a sweep, --json prints one object; without, a list of them.

    Exit code 1 where a trial failed: `coherence failures SWEEP` says why, `coherence retry SWEEP` runs those again.
    --watch reads the store alone: it can run on any machine that sees the store, and nothing of the sweep notices.

    \b
    Example:
      coherence status
      coherence status demo --json
      coherence status demo --watch --every 10
    """
    from orchestrator.reading import Damage
    from orchestrator.show import status_lines
    from orchestrator.status import statuses_of
    from orchestrator.store import open_store

    if watch:
        if sweep is None or as_json:
            raise UserError("--watch is for people, and for one sweep: name it, and leave out --json.")
        _watch(store, sweep, every)
        return
    damage = Damage()
    found = statuses_of(open_store(store), sweep, damage)
    content: Any = [one.as_json() for one in found]
    echo([json.dumps(content[0] if sweep else content)] if as_json else status_lines(found))
    exit_on(list(damage), failed=any(one.failed for one in found))


def _watch(store: Any, sweep: str, every_s: float) -> None:
    """On a terminal one screen that is drawn again; piped, a line whenever a count has changed."""
    from rich.console import Console

    from orchestrator.store import open_store
    from orchestrator.watch import Watch, looks, show_lines, show_screens

    console, watching = Console(), Watch(open_store(store), sweep)
    show = show_screens if console.is_terminal and not console.is_dumb_terminal else show_lines
    last = show(looks(watching, every_s), console)
    exit_on([], failed="failed" in last.states.values())


def show(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The id of a trial, or its beginning.")],
    store: StoreOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Tell the story of one trial: what it is, its attempts, how its coherence went, what came of it.

    Example: coherence show 0123 --json
    """
    from orchestrator.store import open_store
    from orchestrator.story import find_trial, story, story_lines

    opened = open_store(store)
    told = story(opened, find_trial(opened, trial), at_store(store))
    echo([json.dumps(told)] if as_json else story_lines(told, plain=not _draws_blocks()))


def _draws_blocks() -> bool:
    """Whether standard output takes characters beyond ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def failures(sweep: SweepArgument, store: StoreOption = RESULTS, as_json: JsonOption = False) -> None:
    """Group the failed trials of a sweep by what went wrong, with the next move. Exit code 1 where any failed.

    Example: coherence failures demo
    """
    from orchestrator.failed import failure_lines, group_failures
    from orchestrator.reading import Damage
    from orchestrator.status import trials_of
    from orchestrator.store import open_store

    damage, opened = Damage(), open_store(store)
    name, trial_ids = trials_of(opened, sweep)
    groups = group_failures(opened, name, trial_ids, damage, at_store(store))
    echo([json.dumps([group.as_json() for group in groups])] if as_json else failure_lines(name, groups, opened))
    exit_on(list(damage), failed=bool(groups))


def verify(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The id of a finished trial: 12 hex digits.")],
    store: StoreOption = RESULTS,
    first: Annotated[int, typer.Option("--from", min=0, help="First step to compare.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=0, help="Compare up to this many steps on. Left out: what a minute allows."),
    ] = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Import module:object that the trial names, also from this folder.")
    ] = False,
) -> None:
    """Replay a finished trial in this process and compare its states with the digests in the store; writes nothing.

    The replay begins at step 0 whatever --from says, since the checkpoints of a trial go when it is done. Exit code 0:
    the same; 1: the first step and tensor that differ are named; 2: there is nothing to compare.

    Example: coherence verify 0123456789ab --steps 100
    """
    from orchestrator.installed import require
    from orchestrator.reading import Damage
    from orchestrator.store import open_store

    require("torch")
    from orchestrator.verify import verdict_lines
    from orchestrator.verify import verify as replay_and_compare

    damage = Damage()
    with allowed(str(Path.cwd()) if allow_code else None):
        found = replay_and_compare(open_store(store), trial, damage, first=first, steps=steps)
    echo(verdict_lines(found))
    exit_on(list(damage), failed=found.difference is not None)


def compact(
    out: Annotated[Any, typer.Option("--out", parser=place, metavar="PLACE", help="A new folder or prefix.")],
    store: StoreOption = RESULTS,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="For publishing: without names of hosts, users and folders.")
    ] = False,
) -> None:
    """Write a copy of the store with one file per table.

    Example: coherence compact --out results-compact --anonymous
    """
    from orchestrator.compact import compact as write_copy
    from orchestrator.store import open_store

    damage = write_copy(open_store(store), out, without_names=anonymous)
    typer.echo(str(out))
    exit_on(list(damage))
