"""What the verbs of the command share: arguments, printing, exit codes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.completing import sweeps
from trainables.location import Location, LocationError, locate

SweepArgument = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP", help="A built-in name, a path to a .yaml, or a name in the store.", autocompletion=sweeps
    ),
]


def place(text: str | Location) -> Location:
    """A folder or an address, as an option gives it."""
    try:
        return locate(text)
    except LocationError as error:
        raise typer.BadParameter(str(error)) from error


StoreOption = Annotated[
    Any, typer.Option("--store", parser=place, metavar="PLACE", help="The store: a folder, or s3://bucket/prefix.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ScaleOption = Annotated[
    str | None, typer.Option("--scale", help="A size that the sweep names, such as laptop; NAME.laptop says the same.")
]
RESULTS = Path("results")


def at_store(store: Location) -> str:
    """What a command that is suggested must add to find this store."""
    return "" if store == RESULTS else f" --store {store}"


def echo(lines: Iterable[str]) -> None:
    """Print each line."""
    for line in lines:
        typer.echo(line)


def echo_errors(lines: Iterable[str]) -> None:
    """Print each line on standard error."""
    for line in lines:
        typer.echo(line, err=True)


def exit_on(damaged: Sequence[str], *, failed: bool = False) -> None:
    """Name what is damaged; exit code 1 where anything is or `failed`."""
    echo_errors(damaged)
    if damaged or failed:
        raise typer.Exit(1)
