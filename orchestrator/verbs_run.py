"""The verbs that run trials: run, retry."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.options import RESULTS, ScaleOption, StoreOption, SweepArgument, at_store, echo_errors

if TYPE_CHECKING:
    from orchestrator.plan import Wanted
    from orchestrator.run import Summary, Where

LocalOption = Annotated[bool, typer.Option("--local", help="In this process, without Ray.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once on this machine.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Wall seconds for each attempt; its checkpoint is kept.")
]


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(run)
    app.command()(retry)


def run(
    sweep: SweepArgument,
    scale: ScaleOption = None,
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

    Example: coherence run label-noise.yaml --store results
    """
    from orchestrator.plan import Wanted
    from orchestrator.run import Where

    where = Where(local, address, workers, checkpoint_every, timeout)
    run_and_tell(sweep, store, where, Wanted(stale=rerun_stale), scale=scale)


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
    from orchestrator.progress import Progress
    from orchestrator.run import run_sweep
    from orchestrator.show import counts

    summary = run_sweep(
        sweep,
        store,
        where,
        lambda made: Progress(made.estimates, made.workers, sys.stderr, where=f"{store}/attempts/{{trial_id}}"),
        typer.echo,
        wanted=wanted,
        scale=scale,
    )
    if not summary.started:
        typer.echo("nothing failed: nothing to retry" if wanted.failed_only else "nothing to run")
    typer.echo(f"sweep {summary.status.sweep}: {counts(summary.status)}")
    echo_errors([*summary.damaged, *_next_moves(summary, _spoken(sweep, scale), store)])
    code = summary.exit_code or code_of_success
    if code is not None:
        raise typer.Exit(code)


def _spoken(sweep: str, scale: str | None) -> str:
    return sweep if scale is None else f"{sweep} --scale {scale}"


def _next_moves(summary: "Summary", sweep: str, store: Path) -> Iterable[str]:
    at, name = at_store(store), summary.status.sweep
    if summary.exit_code == 130:
        yield f"interrupted; continue with: coherence run {sweep}{at}"
    elif failed := summary.status.failed:
        yield f"{failed} failed; why: coherence failures {name}{at}; again: coherence retry {name}{at}"
