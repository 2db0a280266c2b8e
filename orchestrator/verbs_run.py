"""The verbs that run trials: run, retry."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.completing import failures, sinks, sweeps
from orchestrator.errors import UserError
from orchestrator.events import Events
from orchestrator.launch_options import (
    AddressOption,
    CodeOption,
    EntityOption,
    JsonOption,
    LocalOption,
    ProjectOption,
    TimeoutOption,
    WandbOption,
    WorkersOption,
)
from orchestrator.options import RESULTS, ScaleOption, StoreOption, SweepArgument, at_store, echo_errors
from orchestrator.telling import ALOUD, Told, Tracked, observer_of
from orchestrator.verbs_wandb import PROJECT, checked_mode
from trainables.code import allowed
from trainables.location import Location

if TYPE_CHECKING:
    from orchestrator.load import LoadedSweep
    from orchestrator.plan import Wanted
    from orchestrator.run import Summary, Where
    from orchestrator.until import Goal


@dataclass(frozen=True)
class Reading:
    """What these verbs ask of the side that reads stores.

    needs_of: the sweeps that a figure needs. width_of: (store, sweep, claim) -> width of the claim's widest interval,
    None where nothing is measured. check_claim: raises for a name that is none. figures, claims: names that begin so.
    """

    needs_of: Callable[[str], tuple[str, ...]]
    width_of: Callable[[Location, str, str], float | None]
    check_claim: Callable[[str], None]
    figures: Callable[[str], list[str]]
    claims: Callable[[str], list[str]]


def register(app: typer.Typer, reading: Reading) -> None:
    """Add these verbs."""
    app.command("run")(_run_command(reading))
    app.command()(retry)


def _run_command(reading: Reading) -> Callable[..., None]:
    def run(
        sweep: Annotated[
            str | None,
            typer.Argument(
                metavar="SWEEP", help="A built-in name, a path to a .yaml, or a stored name.", autocompletion=sweeps
            ),
        ] = None,
        scale: ScaleOption = None,
        figure: Annotated[
            str | None, typer.Option("--for", help="A figure: run what it needs.", autocompletion=reading.figures)
        ] = None,
        until: Annotated[
            str | None,
            typer.Option("--until", help="A claim: add seeds until it is narrow.", autocompletion=reading.claims),
        ] = None,
        width: Annotated[
            float | None, typer.Option("--width", help="With --until: of the widest interval, in the claim's unit.")
        ] = None,
        budget: Annotated[int | None, typer.Option("--budget", help="With --until: most trials to add.")] = None,
        store: StoreOption = RESULTS,
        local: LocalOption = False,
        address: AddressOption = None,
        workers: WorkersOption = None,
        checkpoint_every: Annotated[float, typer.Option("--checkpoint-every", min=0.0, help="Seconds.")] = 10.0,
        timeout: TimeoutOption = None,
        rerun_stale: Annotated[
            bool, typer.Option("--rerun-stale", help="Also replace trials of an older numerics version.")
        ] = False,
        rerun_stopped: Annotated[
            bool,
            typer.Option("--rerun-stopped", help="Early stopping off; also run trials to their end that it stopped."),
        ] = False,
        sink: Annotated[
            list[str] | None,
            typer.Option(
                "--sink",
                help="Rows go there as well: NAME or '{name: NAME, ...}'; may be given again.",
                autocompletion=sinks,
            ),
        ] = None,
        allow_code: CodeOption = False,
        as_json: JsonOption = False,
        wandb: WandbOption = None,
        project: ProjectOption = PROJECT,
        entity: EntityOption = None,
    ) -> None:
        """Run what is missing of a sweep; trials that are done are left alone.

        On this machine's cores through a Ray of its own, with --local in this process, with --address on a cluster.
        The same command goes on after Ctrl-C or a crash, each trial from its newest checkpoint, and after a change of
        the sweep file runs what is new. `coherence plan SWEEP` says beforehand what that is.

        \b
        Example:
          coherence run label-noise --scale laptop
          coherence run mine.yaml --local
          coherence run mine.yaml --address auto --store s3://my-bucket/store
          coherence run --for long-run --scale laptop
          coherence run demo --until robust-memorises-less --width 0.05 --budget 100
        """
        from orchestrator.plan import Wanted
        from orchestrator.run import Where
        from orchestrator.sinks import parse_sinks
        from orchestrator.until import Goal

        where = Where(local, address, workers, checkpoint_every, timeout, parse_sinks(sink or ()))
        wanted = Wanted(stale=rerun_stale, stopped=rerun_stopped)
        if (sweep is None) == (figure is None):
            raise UserError("name a sweep, or a figure with --for: one of the two.")
        if (until is None) != (width is None) or (until is None) != (budget is None) or (until and figure):
            raise UserError("--until CLAIM, --width W and --budget N go together, with a sweep.")
        told = _told(as_json, wandb, project, entity)
        with allowed(_here(allow_code)):
            if figure is not None:
                _run_for(figure, reading.needs_of(figure), scale, store, where, wanted, told)
            elif sweep is not None and until is not None and width is not None and budget is not None:
                reading.check_claim(until)
                _run_until(sweep, scale, Goal(until, width, budget), store, where, reading, told)
            elif sweep is not None:
                run_and_tell(sweep, store, where, wanted, scale=scale, told=told)

    return run


def _told(as_json: bool, wandb: str | None, project: str, entity: str | None) -> Told:
    """Who is told of a launch, by the options of that."""
    tracked = None if wandb is None else Tracked(checked_mode("--wandb", wandb), project, entity)
    return Told(tracked, Events(sys.stdout) if as_json else None)


def _here(allow_code: bool) -> str | None:
    """The folder of code that a sweep may name."""
    return str(Path.cwd()) if allow_code else None


def _run_for(
    figure: str,
    needs: tuple[str, ...],
    scale: str | None,
    store: Location,
    where: "Where",
    wanted: "Wanted",
    told: Told,
) -> None:
    """What a figure needs: a single sweep as itself, several as a collection of their own."""
    from orchestrator.load import collect_sweeps
    from orchestrator.store import open_store

    loaded = collect_sweeps(f"for-{figure}", needs, open_store(store), scale)
    _tell(loaded, f"--for {figure}" + (f" --scale {scale}" if scale else ""), store, where, wanted, told=told)


def retry(
    sweep: SweepArgument,
    store: StoreOption = RESULTS,
    local: LocalOption = False,
    address: AddressOption = None,
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="bug, device-memory, host-memory, infrastructure or time-out; may be given again.",
            autocompletion=failures,
        ),
    ] = None,
    allow_code: CodeOption = False,
    as_json: JsonOption = False,
    wandb: WandbOption = None,
    project: ProjectOption = PROJECT,
    entity: EntityOption = None,
) -> None:
    """Run again the trials of a sweep whose last attempt failed, and no others.

    Example: coherence retry demo --only infrastructure --only time-out
    """
    from orchestrator.plan import Wanted
    from orchestrator.run import Where

    wanted = Wanted(failed_only=True, only=frozenset(only or ()))
    told = _told(as_json, wandb, project, entity)
    with allowed(_here(allow_code)):
        run_and_tell(sweep, store, Where(local, address, workers, timeout_s=timeout), wanted, told=told)


def _run_until(
    sweep: str,
    scale: str | None,
    goal: "Goal",
    store: Location,
    where: "Where",
    reading: Reading,
    told: Told,
) -> None:
    """Exit 0 where the width is reached, 1 where the budget is spent first or a run did not finish."""
    from orchestrator.load import load_sweep
    from orchestrator.plan import Wanted
    from orchestrator.run import run_loaded
    from orchestrator.store import open_store
    from orchestrator.until import run_until

    where.check()
    loaded = load_sweep(sweep, open_store(store), scale=scale)
    if loaded.members:
        raise UserError(f"{loaded.name} is a collection; name one of its sweeps with --until.")

    def finish(grown: "LoadedSweep") -> bool:
        summary = run_loaded(grown, store, where, observer_of(store, grown, told), told.say, wanted=Wanted())
        echo_errors(summary.damaged)
        return summary.exit_code == 0

    ended = run_until(goal, loaded, finish, lambda name: reading.width_of(store, name, goal.claim), told.say)
    if ended is None:
        raise UserError(
            f"a run did not finish: look at `coherence failures {loaded.name}{at_store(store)}`, go on after."
        )
    how = "reached" if ended.reached else "not reached: the budget is spent"
    told.say(f"{how} with {ended.seeds} seeds, {ended.added} trials added")
    raise typer.Exit(0 if ended.reached else 1)


def run_and_tell(
    sweep: str,
    store: Location,
    where: "Where",
    wanted: "Wanted",
    *,
    scale: str | None = None,
    code_of_success: int | None = 0,
    told: Told = ALOUD,
) -> None:
    """Run with progress on stderr; exits unless the run succeeded and `code_of_success` is None."""
    from orchestrator.load import load_sweep
    from orchestrator.store import open_store

    where.check()
    wanted.check()
    loaded = load_sweep(sweep, open_store(store), scale=scale, stored_first=wanted.failed_only)
    spoken = sweep if scale is None else f"{sweep} --scale {scale}"
    _tell(loaded, spoken, store, where, wanted, code_of_success=code_of_success, told=told)


def _tell(
    loaded: "LoadedSweep",
    spoken: str,
    store: Location,
    where: "Where",
    wanted: "Wanted",
    *,
    code_of_success: int | None = 0,
    told: Told = ALOUD,
) -> None:
    """spoken: how to ask for the same again."""
    from orchestrator.run import run_loaded
    from orchestrator.show import counts

    summary = run_loaded(loaded, store, where, observer_of(store, loaded, told), told.say, wanted=wanted)
    if not summary.started:
        told.say("nothing failed: nothing to retry" if wanted.failed_only else "nothing to run")
    if told.events is not None:
        told.events.say("end", **summary.status.as_json(), exit_code=summary.exit_code)
    else:
        typer.echo(f"sweep {summary.status.sweep}: {counts(summary.status)}")
    echo_errors([*summary.damaged, *_next_moves(summary, spoken, store)])
    code = summary.exit_code or code_of_success
    if code is not None:
        raise typer.Exit(code)


def _next_moves(summary: "Summary", sweep: str, store: Location) -> Iterable[str]:
    at, name = at_store(store), summary.status.sweep
    if summary.exit_code == 130:
        yield f"interrupted; continue with: coherence run {sweep}{at}"
    elif failed := summary.status.failed:
        yield f"{failed} failed; why: coherence failures {name}{at}; again: coherence retry {name}{at}"
