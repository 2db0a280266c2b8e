"""The verbs that run trials: run, retry."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.errors import UserError
from orchestrator.options import RESULTS, ScaleOption, StoreOption, SweepArgument, at_store, echo_errors

if TYPE_CHECKING:
    from orchestrator.load import LoadedSweep
    from orchestrator.plan import Wanted
    from orchestrator.run import Summary, Where

LocalOption = Annotated[bool, typer.Option("--local", help="In this process, without Ray.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once on this machine.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Wall seconds for each attempt; its checkpoint is kept.")
]


def register(app: typer.Typer, needs_of: Callable[[str], tuple[str, ...]]) -> None:
    """Add these verbs; needs_of: the sweeps that a figure needs."""
    app.command("run")(_run_command(needs_of))
    app.command()(retry)


def _run_command(needs_of: Callable[[str], tuple[str, ...]]) -> Callable[..., None]:
    def run(
        sweep: Annotated[
            str | None, typer.Argument(metavar="[SWEEP]", help="A built-in name, a path to a .yaml, or a stored name.")
        ] = None,
        scale: ScaleOption = None,
        figure: Annotated[str | None, typer.Option("--for", help="A figure: run what it needs.")] = None,
        store: StoreOption = RESULTS,
        local: LocalOption = False,
        address: AddressOption = None,
        workers: WorkersOption = None,
        checkpoint_every: Annotated[float, typer.Option("--checkpoint-every", min=0.0, help="Seconds.")] = 10.0,
        timeout: TimeoutOption = None,
        rerun_stale: Annotated[
            bool, typer.Option("--rerun-stale", help="Also replace trials of an older numerics version.")
        ] = False,
    ) -> None:
        """Run what is missing of a sweep; trials that are done are left alone.

        Example: coherence run label-noise --scale laptop --store results
        """
        from orchestrator.plan import Wanted
        from orchestrator.run import Where

        where, wanted = Where(local, address, workers, checkpoint_every, timeout), Wanted(stale=rerun_stale)
        if (sweep is None) == (figure is None):
            raise UserError("name a sweep, or a figure with --for: one of the two.")
        if figure is not None:
            _run_for(figure, needs_of(figure), scale, store, where, wanted)
        elif sweep is not None:
            run_and_tell(sweep, store, where, wanted, scale=scale)

    return run


def _run_for(
    figure: str, needs: tuple[str, ...], scale: str | None, store: Path, where: "Where", wanted: "Wanted"
) -> None:
    """What a figure needs: a single sweep as itself, several as a collection of their own."""
    from orchestrator.load import collect_sweeps
    from orchestrator.store import open_store

    loaded = collect_sweeps(f"for-{figure}", needs, open_store(store), scale)
    _tell(loaded, f"--for {figure}" + (f" --scale {scale}" if scale else ""), store, where, wanted)


def retry(
    sweep: SweepArgument,
    store: StoreOption = RESULTS,
    local: LocalOption = False,
    address: AddressOption = None,
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="bug, device-memory, host-memory, infrastructure or time-out; may be given again."),
    ] = None,
) -> None:
    """Run again the trials of a sweep whose last attempt failed, and no others.

    Example: coherence retry demo --only infrastructure --only time-out
    """
    from orchestrator.plan import Wanted
    from orchestrator.run import Where

    wanted = Wanted(failed_only=True, only=frozenset(only or ()))
    run_and_tell(sweep, store, Where(local, address, workers, timeout_s=timeout), wanted)


def run_and_tell(
    sweep: str,
    store: Path,
    where: "Where",
    wanted: "Wanted",
    *,
    scale: str | None = None,
    code_of_success: int | None = 0,
) -> None:
    """Run with progress on stderr; exits unless the run succeeded and `code_of_success` is None."""
    from orchestrator.load import load_sweep
    from orchestrator.store import open_store

    where.check()
    wanted.check()
    loaded = load_sweep(sweep, open_store(store), scale=scale, stored_first=wanted.failed_only)
    spoken = sweep if scale is None else f"{sweep} --scale {scale}"
    _tell(loaded, spoken, store, where, wanted, code_of_success=code_of_success)


def _tell(
    loaded: "LoadedSweep",
    spoken: str,
    store: Path,
    where: "Where",
    wanted: "Wanted",
    *,
    code_of_success: int | None = 0,
) -> None:
    """spoken: how to ask for the same again."""
    from orchestrator.progress import Progress
    from orchestrator.run import run_loaded
    from orchestrator.show import counts

    summary = run_loaded(
        loaded,
        store,
        where,
        lambda made: Progress(made.estimates, made.workers, sys.stderr, where=f"{store}/attempts/{{trial_id}}"),
        typer.echo,
        wanted=wanted,
    )
    if not summary.started:
        typer.echo("nothing failed: nothing to retry" if wanted.failed_only else "nothing to run")
    typer.echo(f"sweep {summary.status.sweep}: {counts(summary.status)}")
    echo_errors([*summary.damaged, *_next_moves(summary, spoken, store)])
    code = summary.exit_code or code_of_success
    if code is not None:
        raise typer.Exit(code)


def _next_moves(summary: "Summary", sweep: str, store: Path) -> Iterable[str]:
    at, name = at_store(store), summary.status.sweep
    if summary.exit_code == 130:
        yield f"interrupted; continue with: coherence run {sweep}{at}"
    elif failed := summary.status.failed:
        yield f"{failed} failed; why: coherence failures {name}{at}; again: coherence retry {name}{at}"
