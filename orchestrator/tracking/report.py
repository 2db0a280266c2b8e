"""A W&B report of a sweep, made by code: the question, claims, run sets by arm with their curves, where the store is.

It shows the runs that `push` wrote: its run sets ask for the sweep's group, job type `trial` and one arm each.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.arms import arm_name, telling
from orchestrator.errors import UserError
from orchestrator.load import load_sweep
from orchestrator.redaction import redact
from orchestrator.revisions import known_revision, specs_of
from orchestrator.store import Store, open_store
from orchestrator.tracking.door import TrackingError, cause_of, service
from orchestrator.tracking.mirror import config_of
from trainables.location import Location

MOST_ARMS = 12
"""Run sets of one grid of panels; with more arms there is one run set, grouped by what tells them apart."""

VERDICTS = ("claim", "where", "contrast", "verdict", "said", "n")
COHERENCE = {
    "m-coherence, probe": "probe/all/m_coherence",
    "m-coherence, training batch": "online/all/m_coherence",
    "alpha, probe, unbiased": "probe/all/alpha_unbiased",
    "alpha over layers, median, probe": "probe-layers/alpha_q50",
}
ACCURACY = {
    "accuracy, test": "eval/test/accuracy",
    "accuracy, train": "eval/train/accuracy",
    "accuracy, pristine": "eval/pristine/accuracy",
    "accuracy, corrupt": "eval/corrupt/accuracy",
}


@dataclass(frozen=True)
class Told:
    """What a report says. arms: (name in words, value of the runs' `arm`), in the sweep's order. by: the config keys
    that tell arms apart."""

    sweep: str
    question: str
    trials: int
    store: str
    arms: list[tuple[str, str]]
    by: list[str]
    claims: Sequence[Mapping[str, Any]]


def told(store: Location, sweep: str, claims: Sequence[Mapping[str, Any]]) -> Told:
    """Of a sweep that the store knows; raises UserError otherwise."""
    opened: Store = open_store(store)
    _, _, identities = known_revision(opened, sweep)
    specs = specs_of(opened, sweep)
    configs = [config_of(identity, specs[identity]) for identity in identities]
    by = telling(configs)
    arms = {config["arm"]: arm_name(config, by) for config in configs}
    question = load_sweep(sweep, opened).sweep.description
    return Told(
        sweep,
        question,
        len(identities),
        redact([str(store)])[0],
        [(name, arm) for arm, name in arms.items()],
        by,
        claims,
    )


def claims_table(claims: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    rows = [[_cell(row.get(column)) for column in VERDICTS] for row in claims]
    head = ["claim", "where", "contrast", "verdict", "effect [95 % interval]", "n"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).replace("|", "\\|").split())


def make(content: Told, project: str, entity: str) -> Any:
    """The report, not saved. Needs no network: run sets without a project are those of the report's own."""
    import wandb_workspaces.reports.v2

    wr: Any = wandb_workspaces.reports.v2
    return wr.Report(
        project=project,
        entity=entity,
        title=f"Gradient coherence: {content.sweep}"[:128],
        description=content.question[:500],
        width="fluid",
        blocks=[
            wr.H1("What was asked"),
            wr.P(content.question or "The sweep has no description."),
            wr.P(f"{content.trials} trials in {len(content.arms)} arms. Everything here is rebuilt from the store:"),
            wr.P([wr.InlineCode(f"coherence report {content.sweep} --store {content.store}")]),
            wr.H1("What became of the published claims"),
            wr.MarkdownBlock(claims_table(content.claims) if content.claims else "No claim was evaluated."),
            wr.H1("Coherence"),
            wr.PanelGrid(runsets=_run_sets(wr, content), panels=_plots(wr, COHERENCE, log=True)),
            wr.H1("Accuracy"),
            wr.PanelGrid(runsets=_run_sets(wr, content), panels=[*_plots(wr, ACCURACY, log=False), *_finals(wr)]),
            wr.H1("Figures"),
            wr.PanelGrid(runsets=[_run_set(wr, "overview", content.sweep, "overview")], panels=[wr.MediaBrowser()]),
        ],
    )


def _run_sets(wr: Any, content: Told) -> list[Any]:
    if len(content.arms) > MOST_ARMS:
        grouped = [f"config.{key}" for key in content.by]
        return [_run_set(wr, "all arms", content.sweep, "trial", groupby=grouped)]
    return [_run_set(wr, name[:128], content.sweep, "trial", arm) for name, arm in content.arms]


def _run_set(wr: Any, name: str, sweep: str, job: str, arm: str | None = None, **given: Any) -> Any:
    wanted = f"Metric('Group') == '{sweep}' and Metric('JobType') == '{job}'"
    if arm is not None:
        wanted += f" and Config('arm') == '{arm}'"
    return wr.Runset(name=name, filters=wanted, **given)


def _plots(wr: Any, curves: Mapping[str, str], *, log: bool) -> list[Any]:
    return [
        wr.LinePlot(
            title=title, x="step", y=[key], title_x="step", log_y=log, groupby_rangefunc="minmax", aggregate=True
        )
        for title, key in curves.items()
    ]


def _finals(wr: Any) -> list[Any]:
    return [wr.BarPlot(title="final test accuracy", metrics=["final_test_accuracy"])]


def specification(content: Told, project: str, entity: str | None) -> dict[str, Any]:
    """The report's specification, as W&B stores it, without a network."""
    try:
        made = make(content, project, entity or "")
        found: dict[str, Any] = json.loads(made._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    except Exception as error:
        raise TrackingError(f"the report could not be made: {cause_of(error)}") from error
    return found


def save(content: Told, project: str, entity: str | None) -> str:
    """Save the report in W&B and say where it is. Raises TrackingError where W&B fails."""
    if not entity:
        raise UserError("a report belongs to a user or team: name it with --entity, or write a file with --out.")
    try:
        with service():
            made = make(content, project, entity)
            made.save()
            return str(made.url)
    except Exception as error:
        raise TrackingError(f"W&B did not take the report: {cause_of(error)}. Nothing else depends on it.") from error
