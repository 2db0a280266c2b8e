"""The command `coherence`: verbs over the plain functions of this package and of `analysis`.

Exit codes: 0 all done; 1 finished, but something failed or is damaged; 2 misuse, one line on stderr and
nothing written; 130 interrupted. Heavy libraries are imported by the verbs that need them.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.errors import StoreWriteError, UserError, one_line
from orchestrator.installed import refuse_shadows

if TYPE_CHECKING:
    from orchestrator.run import Summary, Where

# typer carries its own copy of click and shows this class only as a base.
_ClickError: type[Any] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

SweepArgument = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A built-in name, a path to a .yaml, or a name in the store.")
]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of the store.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RESULTS = Path("results")

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Sweeps that measure gradient coherence. Start with: coherence plan demo",
)
wandb_app = typer.Typer(rich_markup_mode=None, help="Mirror a store to Weights & Biases.")
app.add_typer(wandb_app, name="wandb")


@app.command("list")
def list_(
    describe: Annotated[bool, typer.Option("--describe", help="With parameters and their limits.")] = False,
    store: StoreOption = RESULTS,
) -> None:
    """List the sweeps and everything that a sweep can name.

    Example: coherence list --describe
    """
    from orchestrator.revisions import sweep_names
    from orchestrator.show import list_lines
    from orchestrator.store import open_store

    _echo(list_lines(sweep_names(open_store(store)), describe))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a sweep file, for editors.

    Example: coherence schema > sweep.schema.json
    """
    from orchestrator.sweep import Sweep

    typer.echo(json.dumps(Sweep.model_json_schema(), indent=2))


@app.command()
def plan(
    sweep: SweepArgument,
    store: StoreOption = RESULTS,
    as_json: JsonOption = False,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once.")] = None,
) -> None:
    """Say what a run would do and cost; writes nothing.

    Example: coherence plan demo
    """
    from orchestrator.load import load_sweep
    from orchestrator.plan import make_plan
    from orchestrator.show import plan_lines
    from orchestrator.store import open_store

    opened = open_store(store)
    loaded = load_sweep(sweep, opened)
    made = make_plan(loaded, opened, workers=workers)
    _echo([json.dumps(made.as_json())] if as_json else plan_lines(made, loaded, opened))
    _exit_on(list(made.damage))


@app.command()
def run(
    sweep: SweepArgument,
    store: StoreOption = RESULTS,
    local: Annotated[bool, typer.Option("--local", help="In this process, without Ray.")] = False,
    address: Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once on this machine.")] = None,
    checkpoint_every: Annotated[float, typer.Option("--checkpoint-every", min=0.0, help="Seconds.")] = 10.0,
) -> None:
    """Run what is missing of a sweep; trials that are done are left alone.

    Example: coherence run label-noise.yaml --store results
    """
    from orchestrator.run import Where

    _run(sweep, store, Where(local, address, workers, checkpoint_every), failed_only=False)


@app.command()
def retry(
    sweep: SweepArgument,
    store: StoreOption = RESULTS,
    local: Annotated[bool, typer.Option("--local", help="In this process, without Ray.")] = False,
    address: Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once on this machine.")] = None,
) -> None:
    """Run again the trials of a sweep whose last attempt failed, and no others.

    Example: coherence retry demo
    """
    from orchestrator.run import Where

    _run(sweep, store, Where(local, address, workers), failed_only=True)


@app.command()
def status(
    sweep: Annotated[str | None, typer.Argument(metavar="[SWEEP]", help="A sweep; left out: all in the store.")] = None,
    store: StoreOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Count trials by state. With a sweep, --json prints one object; without, a list of them.

    Example: coherence status demo --json
    """
    from orchestrator.reading import Damage
    from orchestrator.show import status_lines
    from orchestrator.status import statuses_of
    from orchestrator.store import open_store

    damage = Damage()
    found = statuses_of(open_store(store), sweep, damage)
    content: Any = [one.as_json() for one in found]
    _echo([json.dumps(content[0] if sweep else content)] if as_json else status_lines(found))
    _exit_on(list(damage), failed=any(one.failed for one in found))


@app.command()
def compact(
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    store: StoreOption = RESULTS,
) -> None:
    """Write a copy of the store with one file per table.

    Example: coherence compact --out results-compact
    """
    from orchestrator.compact import compact as write_copy
    from orchestrator.store import open_store

    damage = write_copy(open_store(store), out)
    typer.echo(str(out))
    _exit_on(list(damage))


@wandb_app.command()
def push(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep in the store.")],
    store: StoreOption = RESULTS,
    mode: Annotated[str, typer.Option("--mode", help="offline or online.")] = "offline",
    project: Annotated[str, typer.Option("--project", help="W&B project.")] = "gradient-coherence",
    entity: Annotated[str | None, typer.Option("--entity", help="W&B user or team.")] = None,
) -> None:
    """Write one W&B run per finished trial, grouped by sweep.

    Example: coherence wandb push demo --mode offline
    """
    if mode not in ("offline", "online"):
        raise UserError(f"--mode: given {mode!r}, expected offline or online.")
    from orchestrator.tracking import TrackingError
    from orchestrator.tracking import push as push_sweep

    try:
        sent = push_sweep(store, sweep, "online" if mode == "online" else "offline", project, entity)
    except TrackingError as error:
        _echo_errors([f"warning: {one_line(str(error))}"])
        raise typer.Exit(1) from error
    typer.echo(f"{sent} runs written to project {project}, {mode}" if sent else "nothing new to push")


@app.command()
def demo(store: StoreOption = RESULTS) -> None:
    """Run the built-in sweep `demo`, draw its figures, write its report, and say what they show.

    Example: coherence demo
    """
    from analysis import cli as reading
    from orchestrator.run import Where

    _run("demo", store, Where(), failed_only=False, code_of_success=None)
    damaged: list[str] = []
    try:
        if not reading.is_drawn(store, "demo"):
            figures = reading.draw_figures(store, "demo")
            page = reading.write_report(store, "demo", figures)
            damaged = [f"damaged: {path}: {why}" for path, why in {**figures.damaged, **page.damaged}.items()]
        said = reading.headline(store, "demo")
    except reading.UserError as error:  # type: ignore[attr-defined]
        raise UserError(str(error)) from error
    _echo([f"store: {store}; figures: {store}/figures/demo", f"report: {store}/reports/demo.html", *said])
    _exit_on(damaged)


def _run(sweep: str, store: Path, where: "Where", *, failed_only: bool, code_of_success: int | None = 0) -> None:
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
        failed_only=failed_only,
    )
    if not summary.started:
        typer.echo("nothing failed: nothing to retry" if failed_only else "nothing to run")
    typer.echo(f"sweep {summary.status.sweep}: {counts(summary.status)}")
    _echo_errors([*summary.damaged, *_next_moves(summary, sweep, store)])
    code = summary.exit_code or code_of_success
    if code is not None:
        raise typer.Exit(code)


def _next_moves(summary: "Summary", sweep: str, store: Path) -> Iterable[str]:
    at = "" if store == RESULTS else f" --store {store}"
    failed = summary.status.failed
    if summary.exit_code == 130:
        yield f"interrupted; continue with: coherence run {sweep}{at}"
    elif failed:
        name = summary.status.sweep
        yield f"{failed} failed; tracebacks are in {store / 'attempts'}; again: coherence retry {name}{at}"


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _echo_errors(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _exit_on(damaged: Sequence[str], *, failed: bool = False) -> None:
    _echo_errors(damaged)
    if damaged or failed:
        raise typer.Exit(1)


@cache
def command() -> typer.Typer:
    """All verbs, the reading ones included."""
    from analysis.cli import register

    register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        refuse_shadows()
        code = command()(args=given or ["--help"], prog_name="coherence", standalone_mode=False)
    except UserError as error:
        return _fail(str(error), 2)
    except StoreWriteError as error:
        return _fail(str(error), 1)
    except _ClickError as error:
        where = error.ctx.command_path if getattr(error, "ctx", None) else "coherence"
        return _fail(f"{error.format_message().rstrip('.')}; see `{where} --help`.", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    typer.echo(one_line(message, 2000), err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
