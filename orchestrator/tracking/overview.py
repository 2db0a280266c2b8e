"""The run that stands for a whole sweep: how many trials are done, its figures, what became of the claims."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.provenance import collect
from orchestrator.reading import Damage
from orchestrator.revisions import newest_revision
from orchestrator.scratch import short_folder
from orchestrator.status import statuses_of
from orchestrator.store import Store
from orchestrator.tracking.door import Mode, open_run

CLAIM_COLUMNS = ("claim", "where", "contrast", "verdict", "effect", "low", "high", "n")


@dataclass(frozen=True)
class Attachments:
    """figures: pictures by name. claims: rows of CLAIM_COLUMNS."""

    figures: Mapping[str, Path] = field(default_factory=dict)
    claims: Sequence[Mapping[str, Any]] = field(default_factory=list)


Attach = Callable[[Path], Attachments]
"""Draws a sweep's figures into a folder and judges its claims."""


@dataclass(frozen=True)
class Overview:
    """identity: of the run; another one when the finished trials are others. config: where it all comes from."""

    identity: str
    sweep: str
    config: dict[str, Any]
    summary: dict[str, int]


def overview(store: Store, sweep: str, finished: list[str]) -> Overview:
    """Of a sweep's newest revision, with these finished trials."""
    number, definition, _ = newest_revision(store, sweep)
    digest = hashlib.sha256(json.dumps([sweep, number, sorted(finished)]).encode()).hexdigest()[:8]
    (status,) = statuses_of(store, sweep, Damage())
    counts = {name: value for name, value in status.as_json().items() if isinstance(value, int)}
    origin = json.loads(collect(store.root))
    config = {"sweep": sweep, "revision": number, "definition": definition, "provenance": origin}
    return Overview(f"{sweep}-overview-{digest}", sweep, config, counts)


def send_overview(
    wandb: Any, whole: Overview, attach: Attach, mode: Mode, project: str, entity: str | None, folder: Path
) -> None:
    """Write the run, with pictures that are drawn for it."""
    with short_folder() as drawn:
        found = attach(drawn)
        given = {
            "id": whole.identity,
            "name": f"{whole.sweep} overview",
            "group": whole.sweep,
            "job_type": "overview",
            "tags": [whole.sweep, "overview"],
            "config": whole.config,
        }
        with open_run(wandb, mode, project, entity, folder, **given) as run:
            shown: dict[str, Any] = {f"figures/{name}": wandb.Image(str(path)) for name, path in found.figures.items()}
            if found.claims:
                rows = [[row.get(column) for column in CLAIM_COLUMNS] for row in found.claims]
                shown["claims"] = wandb.Table(columns=list(CLAIM_COLUMNS), data=rows)
            run.log({"step": 0, **shown})
            run.summary.update(whole.summary)
