"""`coherence status --watch`: the screen of a sweep from its store alone, so from any machine that sees the store."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.arms import arms_of
from orchestrator.glance import Glance, last_of_each
from orchestrator.progress import TALLEST
from orchestrator.reading import Damage
from orchestrator.remaining import duration, left_between, seconds_left
from orchestrator.revisions import known_revision, specs_of
from orchestrator.screen import SHOWN, Snapshot, screen
from orchestrator.states import is_finished, last_attempt, trial_states
from orchestrator.store import Store

HOUR = 3600.0
TIMES = ["started_at", "ended_at"]


class Watch:
    """Looks at a sweep again and again. Raises UserError for one that the store does not know."""

    def __init__(self, store: Store, sweep: str, clock: Callable[[], float] = time.time) -> None:
        self._store, self._sweep, self._clock = store, sweep, clock
        known_revision(store, sweep)
        self._specs = specs_of(store, sweep)
        self._arms = arms_of(self._specs)
        self._glance = Glance(store, self._arms)
        self._times: dict[str, tuple[float, float]] = {}
        self._began: dict[str, float] = {}

    def snapshot(self) -> Snapshot:
        """How the sweep stands now; what was added to it meanwhile is in."""
        specs = specs_of(self._store, self._sweep)
        if specs.keys() != self._specs.keys():
            self._specs, self._arms = specs, arms_of(specs)
            self._glance = Glance(self._store, self._arms)
        states = trial_states(self._store, self._specs, Damage())
        running = [identity for identity, state in states.items() if state == "running"]
        over = [identity for identity, state in states.items() if is_finished(state)]
        self._note_times(over, running)
        self._glance.want(last_of_each(states, self._arms), _in(states, "failed"))
        self._glance.look()
        left, between = self._left(states, running)
        return Snapshot(
            self._sweep,
            states,
            self._arms,
            left_s=left,
            between=between,
            per_hour=self._per_hour(),
            curves=self._glance.curves,
            failures=self._glance.failures,
        )

    def _note_times(self, over: list[str], running: list[str]) -> None:
        """When trials began and ended; of one that is over this is read once."""
        self._began = {}
        for identity in (*(each for each in over if each not in self._times), *running):
            row = last_attempt(self._store, identity, TIMES, Damage())
            began, ended = row.get("started_at"), row.get("ended_at")
            if isinstance(began, float) and isinstance(ended, float) and identity not in running:
                self._times[identity] = (began, ended)
            elif isinstance(began, float):
                self._began[identity] = began

    def _left(self, states: dict[str, str], running: list[str]) -> tuple[float | None, tuple[float, float] | None]:
        """Seconds to the end with as many at once as run now; trials are taken to last alike."""
        taken = {identity: ended - began for identity, (began, ended) in self._times.items() if identity in states}
        if not taken or not running:
            return None, None
        mean = sum(taken.values()) / len(taken)
        closed = {*_in(states, "failed"), *(each for each, state in states.items() if is_finished(state))}
        gone = {identity: self._clock() - self._began.get(identity, self._clock()) for identity in running}
        guesses = dict.fromkeys(states, mean)
        left = seconds_left(guesses, taken, gone, closed, len(running))
        return left, left_between(left, guesses, taken, closed)

    def _per_hour(self) -> float | None:
        """Trials that ended in the last hour, or since the first began, by the hour."""
        now = self._clock()
        ended = [end for _, end in self._times.values() if now - end <= HOUR]
        since = min((begin for begin, end in self._times.values() if now - end <= HOUR), default=now)
        span = min(HOUR, now - since)
        return HOUR * len(ended) / span if ended and span > 0 else None


def looks(watch: Watch, every_s: float, wait: Callable[[float], object] = time.sleep) -> Iterator[Snapshot]:
    """One snapshot after the other, the last when nothing runs and nothing waits."""
    while True:
        seen = watch.snapshot()
        yield seen
        if not {"running", "pending"} & set(seen.states.values()):
            return
        wait(every_s)


def show_screens(seen: Iterable[Snapshot], console: Console) -> Snapshot:
    """Draw each over the one before; the last of them, of which there is one at least."""
    with Live(console=console, auto_refresh=False) as live:
        for one in seen:
            width, height = console.size
            lines = screen(one, width, min(height - 1, TALLEST), plain=console.encoding != "utf-8")
            live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)
            last = one
    return last


def show_lines(seen: Iterable[Snapshot], console: Console) -> Snapshot:
    """A line whenever a count has changed; the last snapshot, of which there is one at least."""
    before = None
    for one in seen:
        counts = Counter(one.states.values())
        if counts != before:
            said = ", ".join(f"{state} {counts[state]}" for state in SHOWN if counts[state])
            left = f"; about {duration(one.left_s)} left" if one.left_s is not None else ""
            console.print(Text(f"{one.sweep}: {said}{left}"), soft_wrap=True)
        before, last = counts, one
    return last


def _in(states: dict[str, str], state: str) -> list[str]:
    return [identity for identity, own in states.items() if own == state]
