"""The verbs that read a store, over the plain functions of `analysis.cli`.

Exit 0: done. 1: done, but a file of the store is damaged (named on stderr). 2: misuse, one line on stderr, nothing
written.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from analysis.cli import (
    DEFAULT_STORE,
    Figures,
    compare,
    draw_figures,
    evaluate_claims,
    figure_gaps,
    figure_names,
    redraw_figure,
    write_report,
)
from analysis.errors import UserError

if TYPE_CHECKING:
    from analysis.gaps import Gap, Planner
    from trainables.records import Location

Parameters = ParamSpec("Parameters")


def _place(text: "str | Location") -> "Location":
    from trainables.records import LocationError, locate

    try:
        return locate(text)
    except LocationError as error:
        raise typer.BadParameter(str(error)) from error


def _stored(incomplete: str) -> list[str]:
    """Sweeps of the store `results`, for the shell."""
    folder = Path(str(DEFAULT_STORE)) / "sweeps"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if name.startswith(incomplete)]


def _figures(incomplete: str) -> list[str]:
    return [name for name in figure_names() if name.startswith(incomplete)]


StoreOption = Annotated[
    Any, typer.Option("--store", parser=_place, metavar="PLACE", help="The store: a folder, or s3://bucket/prefix.")
]
SweepArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        help="A sweep in the store; left out: the only one, or the only collection.",
        autocompletion=_stored,
    ),
]


def _misuse_is_one_line(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error

    return wrapped


def _exit_on_damage(damaged: "dict[Location, str]") -> None:
    for path, why in damaged.items():
        typer.echo(f"damaged: {path}: {why}", err=True)
    if damaged:
        raise typer.Exit(1)


def figures_command(planner: "Planner") -> Callable[..., None]:
    """The verb `figures`; planner: says which trials the built-in sweeps plan."""

    @_misuse_is_one_line
    def figures(
        sweep: SweepArgument = None,
        out: Annotated[
            Any,
            typer.Option("--out", parser=_place, metavar="PLACE", help="Folder to write to; <store>/figures/<SWEEP>."),
        ] = None,
        only: Annotated[
            list[str] | None, typer.Option("--only", help="A figure; may be given again.", autocompletion=_figures)
        ] = None,
        status: Annotated[bool, typer.Option("--status", help="Draw nothing; say what each figure lacks.")] = False,
        scale: Annotated[str | None, typer.Option("--scale", help="With --status: a size of the sweeps.")] = None,
        source: Annotated[
            Any,
            typer.Option(
                "--from", parser=_place, metavar="IMAGE", help="A figure's PNG or SVG, made again into --out."
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="With --status: print JSON.")] = False,
        store: StoreOption = DEFAULT_STORE,
    ) -> None:
        """Draw the figures of a sweep: PNG, SVG and the data behind each as Parquet and CSV.

        A figure that these trials cannot feed is skipped with the reason. --status says which trials each figure still
        lacks; --from makes an image again from the trials that it names.

        \b
        Example:
          coherence figures demo --out pictures
          coherence figures demo --only coherence-vs-step
          coherence figures --status --scale laptop
        """
        _refuse_mixed(status, scale, source, out, as_json)
        if status:
            _say_gaps(figure_gaps(store, planner, scale), scale, as_json)
        elif source is not None:
            typer.echo(str(redraw_figure(store, source, out or Path())))
        else:
            _say_figures(draw_figures(store, sweep, out, only or ()))

    return figures


def _refuse_mixed(
    status: bool, scale: str | None, source: "Location | None", out: "Location | None", as_json: bool
) -> None:
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
    short: Annotated[bool, typer.Option("--short", help="The table alone, a line for each claim.")] = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Say which published claims hold in a sweep: supported, contradicted, inconclusive or not measured.

    A verdict needs 3 seeds: supported when the whole 95 % interval is beyond the claim's margin, contradicted when it
    is below zero (docs/claims.md). The table comes first, then every contrast with its interval.

    \b
    Example:
      coherence claims demo --short
      coherence claims demo --json
    """
    from analysis.evaluation import claim_lines, table

    result = evaluate_claims(store, sweep)
    if as_json:
        typer.echo(json.dumps(result.content, indent=2, allow_nan=False))
    else:
        typer.echo("\n".join(table(result.claims)))
    for claim in () if as_json or short else result.claims:
        typer.echo("\n".join(["", *claim_lines(claim)]))
    _exit_on_damage(result.damaged)


@_misuse_is_one_line
def report(sweep: SweepArgument = None, store: StoreOption = DEFAULT_STORE) -> None:
    """Write one HTML page about a sweep: claims, figures, trials, cost, provenance, what is missing.

    Example: coherence report demo
    """
    result = write_report(store, sweep)
    typer.echo(str(result.path))
    _exit_on_damage(result.damaged)


@_misuse_is_one_line
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A sweep in the store, or a finished trial's id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another of the same kind.")],
    store: StoreOption = DEFAULT_STORE,
    other: Annotated[
        Any, typer.Option("--other-store", parser=_place, metavar="PLACE", help="Where B is, if not in --store.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two sweeps arm by arm, paired by seed, or two trials; and where their numbers come from. B minus A.

    Arms are matched by all axes that either sweep has; what is fixed in each and differs is listed first.

    Example: coherence diff label-noise label-noise-slow
    """
    from dataclasses import asdict

    from analysis.difference_lines import difference_lines

    found = compare(store, a, b, other)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, allow_nan=False))
    else:
        typer.echo("\n".join(difference_lines(found)))
