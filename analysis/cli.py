"""The reading verbs: `coherence figures`, `coherence claims`, `coherence report`.

Exit 0: done. 1: done, but a file of the store is damaged (named on stderr). 2: misuse, one line on stderr,
nothing written.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from analysis.errors import UserError

if TYPE_CHECKING:
    from analysis.gallery import Drawn, NotDrawn
    from analysis.store import Store
    from analysis.sweeps import Sweep
    from analysis.verdict import Claim

Parameters = ParamSpec("Parameters")
DEFAULT_STORE = Path("results")
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of the store.")]
SweepArgument = Annotated[str | None, typer.Argument(help="Name of a sweep in the store; may be left out if only one.")]


@dataclass(frozen=True)
class Figures:
    """What `draw_figures` did: the folder, every figure in order, and damaged files."""

    folder: Path
    results: "tuple[Drawn | NotDrawn, ...]"
    damaged: dict[Path, str]

    @property
    def drawn(self) -> "tuple[Drawn, ...]":
        """Figures that were written."""
        from analysis.gallery import Drawn

        return tuple(result for result in self.results if isinstance(result, Drawn))

    @property
    def skipped(self) -> "tuple[NotDrawn, ...]":
        """Figures that these trials cannot feed, with the reason."""
        from analysis.gallery import NotDrawn

        return tuple(result for result in self.results if isinstance(result, NotDrawn))


@dataclass(frozen=True)
class Claims:
    """What `evaluate_claims` found."""

    content: dict[str, Any]
    claims: "tuple[Claim, ...]"
    damaged: dict[Path, str]


@dataclass(frozen=True)
class Report:
    """Where `write_report` put the page, and damaged files."""

    path: Path
    damaged: dict[Path, str]


def draw_figures(store: Path, sweep: str | None = None, out: Path | None = None) -> Figures:
    """Draw every figure of a sweep into `out` (`<store>/figures/<SWEEP>`); raises UserError on misuse."""
    from analysis.gallery import draw_all, save, writable_folder

    opened, found = _open(store, sweep)
    if found.trials.is_empty():
        raise UserError(
            f"sweep {found.name!r} has 0 of {found.planned.height} trials completed: nothing to draw;"
            f" `coherence run {found.name}` runs what is missing."
        )
    folder = writable_folder(out or store / "figures" / found.name)
    done = Figures(folder, tuple(draw_all(opened, found)), opened.check(found.trial_ids))
    for one in done.drawn:
        save(one, folder)
    return done


def evaluate_claims(store: Path, sweep: str | None = None) -> Claims:
    """Evaluate every claim on a sweep; raises UserError on misuse."""
    from analysis.evaluation import as_json, evaluate

    opened, found = _open(store, sweep)
    claims = evaluate(opened, found)
    return Claims(as_json(found, claims), tuple(claims), opened.check(found.trial_ids))


def write_report(store: Path, sweep: str | None = None, figures: Figures | None = None) -> Report:
    """Write `<store>/reports/<SWEEP>.html`, one file without external resources; raises UserError on misuse.

    figures: what `draw_figures` has just returned for the same sweep, to save drawing them again.
    """
    from analysis.gallery import writable_folder
    from analysis.report import render

    opened, found = _open(store, sweep)
    path = writable_folder(store / "reports") / f"{found.name}.html"
    path.write_text(render(opened, found, None if figures is None else figures.results), encoding="utf-8")
    return Report(path, opened.damaged)


def is_drawn(store: Path, sweep: str) -> bool:
    """Whether the report and the figures of a sweep are there and no trial has been added to the store since."""
    page, figures, trials = store / "reports" / f"{sweep}.html", store / "figures" / sweep, store / "trials"
    if not (page.exists() and trials.exists() and list(figures.glob("*.png"))):
        return False
    return page.stat().st_mtime >= trials.stat().st_mtime


def headline(store: Path, sweep: str | None = None) -> list[str]:
    """Up to three lines, one per claim: what the data of a sweep say."""
    from analysis.evaluation import evaluate, summary

    return [summary(claim) for claim in evaluate(*_open(store, sweep))][:3]


def _open(store: Path, sweep: str | None) -> "tuple[Store, Sweep]":
    from analysis.store import Store
    from analysis.sweeps import open_sweep, sweep_name

    opened = Store(store)
    return opened, open_sweep(opened, sweep_name(opened, sweep))


def _misuse_is_one_line(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error

    return wrapped


def _exit_on_damage(damaged: dict[Path, str]) -> None:
    for path, why in damaged.items():
        typer.echo(f"damaged: {path}: {why}", err=True)
    if damaged:
        raise typer.Exit(1)


@_misuse_is_one_line
def figures(
    sweep: SweepArgument = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; <store>/figures/<SWEEP>.")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Draw the figures of a sweep: PNG, SVG and the data behind each as Parquet and CSV.

    Example: coherence figures demo --out pictures
    """
    result = draw_figures(store, sweep, out)
    for one in result.drawn:
        typer.echo(str(result.folder / f"{one.name}.png"))
    for skipped in result.skipped:
        typer.echo(f"skipped {skipped.name}: {skipped.why}", err=True)
    _exit_on_damage(result.damaged)


@_misuse_is_one_line
def claims(
    sweep: SweepArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Say which published claims hold in a sweep: supported, contradicted, inconclusive or not measured.

    Example: coherence claims demo --json
    """
    from analysis.evaluation import row_line

    result = evaluate_claims(store, sweep)
    if as_json:
        typer.echo(json.dumps(result.content, indent=2, allow_nan=False))
    for claim in () if as_json else result.claims:
        typer.echo(f"{claim.name}: {claim.statement}")
        for row in claim.rows:
            typer.echo(f"  {row_line(row)}")
            for text in row.beside:
                typer.echo(f"    {text}")
    _exit_on_damage(result.damaged)


@_misuse_is_one_line
def report(
    sweep: Annotated[str, typer.Argument(help="Name of a sweep in the store.")], store: StoreOption = DEFAULT_STORE
) -> None:
    """Write one HTML page about a sweep: claims, figures, trials, cost, provenance, what is missing.

    Example: coherence report demo
    """
    result = write_report(store, sweep)
    typer.echo(str(result.path))
    _exit_on_damage(result.damaged)


def register(app: typer.Typer) -> None:
    """Add `figures`, `claims` and `report` to the command."""
    for command in (figures, claims, report):
        app.command()(command)
