"""The reading verbs: `coherence figures`, `coherence claims`, `coherence report`.

Exit 0: done. 1: done, but a file of the store is damaged (named on stderr). 2: misuse, one line on stderr,
nothing written.
"""

import functools
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from analysis.errors import UserError

if TYPE_CHECKING:
    from analysis.gallery import Drawn, NotDrawn
    from analysis.gaps import Gap, Planner
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


def draw_figures(store: Path, sweep: str | None = None, out: Path | None = None, only: Sequence[str] = ()) -> Figures:
    """Draw every figure of a sweep, or `only` those, into `out` (`<store>/figures/<SWEEP>`); raises UserError on
    misuse."""
    from analysis.gallery import draw_all, save, writable_folder

    for name in only:
        known_figure(name)

    opened, found = _open(store, sweep)
    if found.trials.is_empty():
        raise UserError(
            f"sweep {found.name!r} has 0 of {found.planned.height} trials completed: nothing to draw;"
            f" `coherence run {found.name}` runs what is missing."
        )
    folder = writable_folder(out or store / "figures" / found.name)
    done = Figures(folder, tuple(draw_all(opened, found, only)), opened.check(found.trial_ids))
    for one in done.drawn:
        save(one, folder)
    return done


def redraw_figure(store: Path, image: Path, out: Path) -> Path:
    """Make the figure that an image shows again, from the trials that it names; returns the new PNG's path."""
    from analysis.gallery import redraw, save, writable_folder
    from analysis.store import Store

    drawn = redraw(Store(store), image)
    save(drawn, writable_folder(out))
    return out / f"{drawn.name}.png"


def figure_gaps(store: Path, planner: "Planner", scale: str | None = None) -> "list[Gap]":
    """Which trials each figure still lacks, at a scale of the built-in sweeps; raises UserError on misuse."""
    from analysis.gaps import gaps

    return gaps(store, planner, scale)


def known_figure(name: str) -> tuple[str, ...]:
    """The sweeps that a figure needs; raises UserError for a name that is none."""
    from analysis.figures import FIGURES

    _check_known("figure", name, FIGURES)
    return FIGURES[name].needs


def known_claim(name: str) -> None:
    """Raises UserError for a name that is no claim."""
    from analysis.claims import CLAIMS

    _check_known("claim", name, CLAIMS)


def _check_known(kind: str, name: str, known: Collection[str]) -> None:
    from difflib import get_close_matches

    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def claim_width(store: Path, sweep: str, claim: str) -> float | None:
    """Width of a claim's widest 95 % interval on a sweep, in the claim's unit; None where no row is measured."""
    from analysis.claims import CLAIMS
    from analysis.evaluation import evaluate_one

    known_claim(claim)
    rows = evaluate_one(CLAIMS[claim], *_open(store, sweep)).rows
    return max((row.high - row.low for row in rows if row.high is not None and row.low is not None), default=None)


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


def figures_command(planner: "Planner") -> Callable[..., None]:
    """The verb `figures`; planner: says which trials the built-in sweeps plan."""

    @_misuse_is_one_line
    def figures(
        sweep: SweepArgument = None,
        out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; <store>/figures/<SWEEP>.")] = None,
        only: Annotated[list[str] | None, typer.Option("--only", help="A figure; may be given again.")] = None,
        status: Annotated[bool, typer.Option("--status", help="Draw nothing; say what each figure lacks.")] = False,
        scale: Annotated[str | None, typer.Option("--scale", help="With --status: a size of the sweeps.")] = None,
        source: Annotated[
            Path | None, typer.Option("--from", help="A figure's PNG or SVG, made again into --out.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="With --status: print JSON.")] = False,
        store: StoreOption = DEFAULT_STORE,
    ) -> None:
        """Draw the figures of a sweep: PNG, SVG and the data behind each as Parquet and CSV.

        Example: coherence figures demo --out pictures
        """
        _refuse_mixed(status, scale, source, out, as_json)
        if status:
            _say_gaps(figure_gaps(store, planner, scale), scale, as_json)
        elif source is not None:
            typer.echo(str(redraw_figure(store, source, out or Path())))
        else:
            _say_figures(draw_figures(store, sweep, out, only or ()))

    return figures


def _refuse_mixed(status: bool, scale: str | None, source: Path | None, out: Path | None, as_json: bool) -> None:
    if (scale or as_json) and not status:
        raise UserError("--scale and --json go with --status; a sweep's own name says its scale: NAME.laptop.")
    if source is not None and out is None:
        raise UserError("--from needs --out, a folder for the new image.")


def _say_gaps(found: "list[Gap]", scale: str | None, as_json: bool) -> None:
    from analysis.gaps import gap_lines

    lines = [json.dumps([gap.as_json() for gap in found])] if as_json else gap_lines(found, scale)
    typer.echo("\n".join(lines))


def _say_figures(result: Figures) -> None:
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
def report(sweep: SweepArgument = None, store: StoreOption = DEFAULT_STORE) -> None:
    """Write one HTML page about a sweep: claims, figures, trials, cost, provenance, what is missing.

    Example: coherence report demo
    """
    result = write_report(store, sweep)
    typer.echo(str(result.path))
    _exit_on_damage(result.damaged)


def register(app: typer.Typer, planner: "Planner") -> None:
    """Add `figures`, `claims` and `report` to the command."""
    app.command()(figures_command(planner))
    for command in (claims, report):
        app.command()(command)
