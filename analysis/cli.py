"""The reading side as plain functions: figures, claims and reports of a store. The verbs are in `analysis.verbs`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from analysis.errors import UserError

if TYPE_CHECKING:
    from analysis.differences import Difference
    from analysis.gallery import Drawn, NotDrawn
    from analysis.gaps import Gap, Planner
    from analysis.store import Store
    from analysis.sweeps import Sweep
    from analysis.verdict import Claim
    from trainables.records import Location

HEADLINE = ("real-above-random-early", "pristine-before-corrupt", "robust-memorises-less")
DEFAULT_STORE: "Location" = Path("results")


@dataclass(frozen=True)
class Figures:
    """What `draw_figures` did: the folder, every figure in order, and damaged files."""

    folder: "Location"
    results: "tuple[Drawn | NotDrawn, ...]"
    damaged: "dict[Location, str]"

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
    damaged: "dict[Location, str]"


@dataclass(frozen=True)
class Report:
    """Where `write_report` put the page, and damaged files."""

    path: "Location"
    damaged: "dict[Location, str]"


def draw_figures(
    store: "Location", sweep: str | None = None, out: "Location | None" = None, only: Sequence[str] = ()
) -> Figures:
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


def redraw_figure(store: "Location", image: "Location", out: "Location") -> "Location":
    """Make the figure that an image shows again, from the trials that it names; returns the new PNG's path."""
    from analysis.gallery import redraw, save, writable_folder
    from analysis.store import Store

    drawn = redraw(Store(store), image)
    save(drawn, writable_folder(out))
    return out / f"{drawn.name}.png"


def figure_gaps(store: "Location", planner: "Planner", scale: str | None = None) -> "list[Gap]":
    """Which trials each figure still lacks, at a scale of the built-in sweeps; raises UserError on misuse."""
    from analysis.gaps import gaps

    return gaps(store, planner, scale)


def figure_names() -> list[str]:
    """Every figure."""
    from analysis.figures import FIGURES

    return list(FIGURES)


def claim_names() -> list[str]:
    """Every claim."""
    from analysis.claims import CLAIMS

    return list(CLAIMS)


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


def claim_width(store: "Location", sweep: str, claim: str) -> float | None:
    """Width of a claim's widest 95 % interval on a sweep, in the claim's unit; None where no row is measured."""
    from analysis.claims import CLAIMS
    from analysis.evaluation import evaluate_one

    known_claim(claim)
    rows = evaluate_one(CLAIMS[claim], *_open(store, sweep)).rows
    return max((row.high - row.low for row in rows if row.high is not None and row.low is not None), default=None)


def evaluate_claims(store: "Location", sweep: str | None = None) -> Claims:
    """Evaluate every claim on a sweep; raises UserError on misuse."""
    from analysis.evaluation import as_json, evaluate

    opened, found = _open(store, sweep)
    claims = evaluate(opened, found)
    return Claims(as_json(found, claims), tuple(claims), opened.check(found.trial_ids))


def write_report(store: "Location", sweep: str | None = None, figures: Figures | None = None) -> Report:
    """Write `<store>/reports/<SWEEP>.html`, one file without external resources; raises UserError on misuse.

    figures: what `draw_figures` has just returned for the same sweep, to save drawing them again.
    """
    from analysis.gallery import writable_folder
    from analysis.report import render

    opened, found = _open(store, sweep)
    path = writable_folder(store / "reports") / f"{found.name}.html"
    path.write_text(render(opened, found, None if figures is None else figures.results), encoding="utf-8")
    return Report(path, opened.damaged)


def compare(store: "Location", a: str, b: str, other: "Location | None" = None) -> "Difference":
    """What differs between two sweeps, by name, or two finished trials, by id; B minus A. other: the store of B, where
    it is not that of A. Raises UserError on misuse."""
    from analysis.differences import difference
    from analysis.store import Store

    opened = Store(store)
    return difference(opened, a, opened if other is None else Store(other), b)


def is_drawn(store: "Location", sweep: str) -> bool:
    """Whether the report and the figures of a sweep are there and no trial has been added to the store since."""
    page, figures, trials = store / "reports" / f"{sweep}.html", store / "figures" / sweep, store / "trials"
    if not (page.exists() and trials.exists() and list(figures.glob("*.png"))):
        return False
    return page.stat().st_mtime >= trials.stat().st_mtime


def headline(store: "Location", sweep: str | None = None) -> list[str]:
    """A line for each of the claims that the demo is about: what the data of a sweep say."""
    from analysis.claims import CLAIMS
    from analysis.evaluation import evaluate_one, summary

    opened = _open(store, sweep)
    return [summary(evaluate_one(CLAIMS[name], *opened)) for name in HEADLINE]


def _open(store: "Location", sweep: str | None) -> "tuple[Store, Sweep]":
    from analysis.store import Store
    from analysis.sweeps import open_sweep, sweep_name

    opened = Store(store)
    return opened, open_sweep(opened, sweep_name(opened, sweep))


def register(app: typer.Typer, planner: "Planner") -> None:
    """Add the verbs that read to the command; planner: says which trials the built-in sweeps plan."""
    from analysis.verbs import claims, diff, figures_command, report

    app.command("figures")(figures_command(planner))
    for command in (claims, report, diff):
        app.command()(command)
