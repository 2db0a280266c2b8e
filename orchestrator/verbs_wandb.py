"""The verbs that mirror a store to W&B: push, report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.completing import stored
from orchestrator.errors import UserError, one_line
from orchestrator.options import RESULTS, StoreOption, echo_errors
from trainables.location import Location

if TYPE_CHECKING:
    from orchestrator.tracking.door import Mode
    from orchestrator.tracking.overview import Attachments

AttachOf = Callable[[Location, str, Path | None], "Attachments"]
"""(store, sweep, folder) -> figures drawn there, none without a folder, and claims."""

SweepInStore = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep in the store.", autocompletion=stored)]
ProjectOption = Annotated[str, typer.Option("--project", help="W&B project.")]
EntityOption = Annotated[str | None, typer.Option("--entity", help="W&B user or team.")]
PROJECT = "gradient-coherence"
HELP = """Mirror a store to Weights & Biases; nothing depends on it.

Example: coherence wandb push demo --mode offline
"""


def checked_mode(option: str, given: str) -> "Mode":
    """offline or online; raises UserError for anything else."""
    if given == "offline":
        return "offline"
    if given == "online":
        return "online"
    raise UserError(f"{option}: given {given!r}, expected offline or online.")


def make_app(attach_of: AttachOf) -> typer.Typer:
    """`coherence wandb`."""
    app = typer.Typer(rich_markup_mode=None, help=HELP)

    @app.command()
    def push(
        sweep: SweepInStore,
        store: StoreOption = RESULTS,
        mode: Annotated[str, typer.Option("--mode", help="offline or online.")] = "offline",
        project: ProjectOption = PROJECT,
        entity: EntityOption = None,
        per_minute: Annotated[int, typer.Option("--per-minute", min=1, help="Runs a minute at most, online.")] = 60,
        only: Annotated[
            str | None, typer.Option("--only", help="trials, or overview: the run with figures and claims.")
        ] = None,
    ) -> None:
        """Write one W&B run per finished trial, grouped by sweep, and one with the figures and claims.

        A second push sends only what is new; one that broke off is repeated.

        Example: coherence wandb push demo --mode offline
        """
        from orchestrator.tracking.door import TrackingError
        from orchestrator.tracking.push import push as push_sweep

        wanted = checked_mode("--mode", mode)
        if only not in (None, "trials", "overview"):
            raise UserError(f"--only: given {only!r}, expected trials or overview.")
        attach = (lambda folder: attach_of(store, sweep, folder)) if only != "trials" else None
        trials = only != "overview"
        try:
            sent = push_sweep(
                store, sweep, wanted, project, entity, attach=attach, trials=trials, per_minute=per_minute
            )
        except TrackingError as error:
            echo_errors([f"warning: {one_line(str(error))}"])
            raise typer.Exit(1) from error
        typer.echo(f"{sent} runs written to project {project}, {mode}" if sent else "nothing new to push")

    @app.command()
    def report(
        sweep: SweepInStore,
        store: StoreOption = RESULTS,
        project: ProjectOption = PROJECT,
        entity: EntityOption = None,
        out: Annotated[
            Path | None, typer.Option("--out", help="Write the specification to this file; nothing is sent.")
        ] = None,
    ) -> None:
        """Make a W&B report of a pushed sweep: the question, coherence and accuracy by arm, claims, links.

        Example: coherence wandb report demo --out demo-report.json
        """
        from orchestrator.tracking.door import TrackingError
        from orchestrator.tracking.report import save, specification, told

        content = told(store, sweep, attach_of(store, sweep, None).claims)
        try:
            if out is None:
                typer.echo(save(content, project, entity))
                return
            made = specification(content, project, entity)
        except TrackingError as error:
            echo_errors([f"warning: {one_line(str(error))}"])
            raise typer.Exit(1) from error
        out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        typer.echo(str(out))

    return app
