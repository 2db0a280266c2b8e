"""The command `coherence`: verbs over the plain functions of this package and of `analysis`.

Exit codes: 0 all done; 1 finished, but something failed or is damaged; 2 misuse, one line on stderr and
nothing written; 130 interrupted. Heavy libraries are imported by the verbs that need them.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from orchestrator import verbs_check, verbs_look, verbs_new, verbs_run, verbs_wandb
from orchestrator.completing import starting
from orchestrator.errors import StoreWriteError, UserError, one_line
from orchestrator.installed import refuse_shadows
from orchestrator.options import RESULTS, StoreOption, echo, exit_on
from trainables.location import Location
from trainables.plugins import PluginError, noun
from trainables.remote import SCHEME

if TYPE_CHECKING:
    from orchestrator.tracking.overview import Attachments

Answer = TypeVar("Answer")

# typer carries its own copy of click and shows this class only as a base.
_ClickError: type[Any] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

HELP = """Sweeps that measure gradient coherence while networks train, and what the results say.

SWEEP is a built-in name, a path to a .yaml, or a name in the store: a folder `results`, or what --store says. `plan`
writes nothing, `run` does what is missing, the others read. `coherence VERB --help` ends with examples.

\b
Example:
  coherence list
  coherence plan demo
  coherence run demo
  coherence status demo
  coherence report demo
"""

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=HELP,
)


def _planned(sweeps: Sequence[str], scale: str | None, store: Location) -> dict[str, list[str]]:
    """Trials that these sweeps plan, by the name under which each is stored."""
    from orchestrator.load import load_member
    from orchestrator.store import open_store

    opened = open_store(store)
    loaded = [load_member(name, opened, scale) for name in sweeps]
    return {each.name: list(each.specs) for each in loaded}


def _asked(question: Callable[..., Answer], *arguments: object) -> Answer:
    """What the reading side answers; its refusals are ours."""
    from analysis.cli import UserError as ReadingError  # type: ignore[attr-defined]

    try:
        return question(*arguments)
    except ReadingError as error:
        raise UserError(str(error)) from error


def _needs_of(figure: str) -> tuple[str, ...]:
    from analysis.cli import known_figure

    return _asked(known_figure, figure)


def _width_of(store: Location, sweep: str, claim: str) -> float | None:
    from analysis.cli import claim_width

    return _asked(claim_width, store, sweep, claim)


def _check_claim(claim: str) -> None:
    from analysis.cli import known_claim

    _asked(known_claim, claim)


def _figures(incomplete: str) -> list[str]:
    from analysis.cli import figure_names

    return starting(incomplete, figure_names())


def _attachments(store: Location, sweep: str, folder: Path | None) -> "Attachments":
    """A sweep's figures, drawn into the folder if there is one, and what became of the claims."""
    from analysis import cli as reading
    from orchestrator.tracking.overview import Attachments

    content = _asked(reading.evaluate_claims, store, sweep).content
    rows = [
        {"claim": claim["name"], "where": row["label"], **row} for claim in content["claims"] for row in claim["rows"]
    ]
    if folder is None or not content["completed"]:  # trials that all diverged are no figure
        return Attachments({}, rows)
    drawn = _asked(reading.draw_figures, store, sweep, folder).drawn
    return Attachments({one.name: folder / f"{one.name}.png" for one in drawn}, rows)


def _claims(incomplete: str) -> list[str]:
    from analysis.cli import claim_names

    return starting(incomplete, claim_names())


def _taken(kinds: str) -> set[str]:
    """Names of a kind that are built in or published."""
    from analysis.cli import claim_names, figure_names
    from trainables.sinks import SINKS
    from trainables.spec import ALL_REGISTRIES

    if kinds in ("figures", "claims"):
        return set(figure_names() if kinds == "figures" else claim_names())
    own = {"sinks": SINKS, "metrics": ALL_REGISTRIES["instrument"]}
    return set(own.get(kinds) or ALL_REGISTRIES[noun(kinds)])


verbs_look.register(app)
verbs_check.register(app)
verbs_run.register(app, verbs_run.Reading(_needs_of, _width_of, _check_claim, _figures, _claims))
verbs_new.register(app, _taken)
app.add_typer(verbs_wandb.make_app(_attachments), name="wandb")


@app.command()
def demo(store: StoreOption = RESULTS) -> None:
    """Run the built-in sweep `demo`, draw its figures, write its report, and say what they show.

    Example: coherence demo
    """
    from analysis import cli as reading
    from orchestrator.plan import Wanted
    from orchestrator.run import Where

    verbs_run.run_and_tell("demo", store, Where(), Wanted(), code_of_success=None)
    damaged: list[str] = []
    try:
        if not reading.is_drawn(store, "demo"):
            figures = reading.draw_figures(store, "demo")
            page = reading.write_report(store, "demo", figures)
            damaged = [f"damaged: {path}: {why}" for path, why in {**figures.damaged, **page.damaged}.items()]
        said = reading.headline(store, "demo")
    except reading.UserError as error:  # type: ignore[attr-defined]
        raise UserError(str(error)) from error
    echo([f"store: {store}; figures: {store}/figures/demo", f"report: {store}/reports/demo.html", *said])
    exit_on(damaged)


@cache
def command() -> typer.Typer:
    """All verbs, the reading ones included."""
    from analysis.cli import register

    register(app, _planned)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        refuse_shadows()
        code = command()(args=given or ["--help"], prog_name="coherence", standalone_mode=False)
    except (UserError, PluginError) as error:
        return _fail(str(error), 2)
    except StoreWriteError as error:
        return _fail(str(error), 1)
    except _ClickError as error:
        where = error.ctx.command_path if getattr(error, "ctx", None) else "coherence"
        return _fail(f"{error.format_message().rstrip('.')}; see `{where} --help`.", 2)
    except OSError as error:
        if not str(error.filename).startswith(SCHEME):
            raise
        return _fail(f"{error.filename}: {error.strerror}; what the store holds is whole: try again.", 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    typer.echo(one_line(message, 2000), err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
