"""The verb that writes a package to add one's own: new."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.completing import kinds
from orchestrator.options import echo


def register(app: typer.Typer, taken: Callable[[str], set[str]]) -> None:
    """Add this verb. taken: names of a kind, given as the group of its entry points, that are known already."""
    app.command()(_command(taken))


def _command(taken: Callable[[str], set[str]]) -> Callable[..., None]:
    def new(
        kind: Annotated[
            str,
            typer.Argument(
                metavar="KIND",
                help="model, dataset, corruption, aggregator, metric, instrument, optimizer, figure, claim or sink.",
                autocompletion=kinds,
            ),
        ],
        name: Annotated[str, typer.Argument(metavar="NAME", help="What sweep files and the command shall call it.")],
        out: Annotated[
            Path | None, typer.Option("--out", metavar="FOLDER", help="A new folder; left out, coherence-NAME.")
        ] = None,
    ) -> None:
        """Write a package that adds your own: entry point, documented template and its contract test.

        Example: coherence new aggregator midrange --out midrange
        """
        from orchestrator.new import KINDS, write_package

        written = write_package(kind, name, out, taken(KINDS[kind]) if kind in KINDS else set())
        echo(str(path) for path in written)
        folder = out or Path(f"coherence-{name}")
        echo([f"next: cd {folder} && pytest; then pip install -e . and name {name!r} in a sweep (docs/extending.md)"])

    return new
