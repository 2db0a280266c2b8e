"""Who is told of a launch while it runs: people on a screen, machines by JSON lines, W&B beside either."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from orchestrator.events import Events
from trainables.location import Location

if TYPE_CHECKING:
    from orchestrator.load import LoadedSweep
    from orchestrator.observer import Observer
    from orchestrator.plan import Plan
    from orchestrator.run import ObserverOf
    from orchestrator.tracking.door import Mode


@dataclass(frozen=True)
class Tracked:
    """Where trials are shown live."""

    mode: "Mode"
    project: str
    entity: str | None


@dataclass(frozen=True)
class Told:
    """Who is told of a launch: live runs in W&B where there is a `tracked`; events, machines in place of people."""

    tracked: Tracked | None = None
    events: Events | None = None

    def say(self, text: str) -> None:
        """Something to read once."""
        typer.echo(text) if self.events is None else self.events.note(text)


ALOUD = Told()


def observer_of(store: Location, loaded: "LoadedSweep", told: Told) -> "ObserverOf":
    """Progress on standard error, or events on standard output; and live runs in W&B if they are wanted."""
    from orchestrator.arms import arms_of
    from orchestrator.glance import Glance
    from orchestrator.progress import Progress, Sight
    from orchestrator.store import open_store
    from trainables.spec import canonical_json

    sweep = loaded.name
    where = f"{store}/attempts/{{trial_id}}"

    @contextmanager
    def observing(made: "Plan") -> "Iterator[Observer]":
        if told.events is not None:
            told.events.say("begin", sweep=sweep, to_run=len(made.to_run), planned=len(made.states), slots=made.workers)
        sight = None
        if told.events is None and sys.stderr.isatty():
            arms = arms_of({identity: canonical_json(spec) for identity, spec in loaded.specs.items()})
            sight = Sight(sweep, dict(made.states), arms, Glance(open_store(store), arms))
        screen = Progress(made.estimates, made.workers, sys.stderr, where=where, sight=sight)
        with told.events or screen as progress:
            if (tracked := told.tracked) is None:
                yield progress
                return
            from orchestrator.tracking.live import Followed, Live, show_overview

            live = Live(str(store.absolute()), sweep, tracked.mode, tracked.project, tracked.entity)
            with Followed(live, progress, store) as followed:
                yield followed
            if followed.interrupted:
                return
            progress.note("W&B: drawing figures and judging claims for the sweep's overview")
            if warning := show_overview(live):
                progress.note(warning)

    return observing
