"""What the driver makes of trials that ended elsewhere: rows of lost workers closed, families stopped, users told."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from orchestrator.claims import owner_of
from orchestrator.errors import one_line
from orchestrator.failures import STORE_IS_FULL, Failure, failure_class
from orchestrator.families import Families
from orchestrator.history import close_lost, failures_since, newest_attempt, record_lost
from orchestrator.observer import Observer
from orchestrator.resources import ClusterError
from orchestrator.retries import may_retry, retry_note
from orchestrator.states import failure_line
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id

KILLS = 3
"""Times that workers may be killed for want of memory with no trial ended in between."""


class Endings:
    """Of one launch. specs, firsts: by trial id, the trial and the number of the launch's first attempt at it.
    driver: this launch; only rows of its own workers are closed. stop_family, stop_all: ask the workers to begin no
    other trial of this one's family, or none at all.

    A store that cannot be written and a node on which no trial can run concern every trial: the first such error ends
    the launch and is `fatal`.
    """

    def __init__(
        self,
        observer: Observer,
        store: Store,
        specs: Mapping[str, TrialSpec],
        stop_family: Callable[[TrialSpec], None],
        stop_all: Callable[[], None],
        driver: str = "",
    ) -> None:
        self.fatal: OSError | ClusterError | None = None
        self.held: set[str] = set()
        self._driver = driver
        self._observer, self._store, self._specs = observer, store, specs
        self._stop_family, self._stop_all = stop_family, stop_all
        self._firsts = {identity: store.next_attempt(identity) for identity in specs}
        self._awaited = dict(self._firsts)  # the attempt whose row the newest worker was to write
        self._families = Families()
        self._over: set[str] = set()
        self._kills = 0

    def first_attempt(self, identity: str) -> int:
        """Number of the launch's first attempt at this trial."""
        return self._firsts[identity]

    def ended(self, identity: str, outcome: str, again: str) -> None:
        """The worker came back. again: classes of failures after which it tried once more, separated by spaces."""
        self._over.add(identity)
        self._kills = 0
        if outcome == "held":
            self.held.add(identity)
        for failure in again.split():
            retry_note(self._observer, identity, failure)
        if outcome == "failed":
            self._observer.failed(identity, failure_line(self._store, identity))
        self._observer.finished(identity, outcome)
        if outcome == "failed":
            self._look_at_family(identity)

    def recovers(self, identity: str, error: BaseException | None) -> None:
        """The worker did not come back, and the trial will be started again where its failures allow."""
        if self._unfit(error):
            return
        preempted = newest_attempt(self._store, identity).get("failure") == "preempted"
        why = "its worker was preempted" if preempted else self._close(identity, error)
        if self.fatal is None and may_retry(failures_since(self._store, identity, self._firsts[identity])):
            self._observer.note(f"{identity}: {why}; it starts again from its last checkpoint")

    def killed(self, running: Iterable[str], error: BaseException) -> None:
        """Ray's memory monitor killed some of the workers that run these trials and names their processes.

        Their rows are closed; the others are stopped with them and left to their next attempts. Raises ClusterError
        after KILLS times without a trial that ended in between: nothing would ever end.
        """
        self._kills += 1
        if self._kills > KILLS:
            raise ClusterError(
                f"workers were killed {KILLS} times for want of memory and no trial ended in between;"
                " run fewer at once (--workers, or a larger `resources.cpu`)."
            )
        culprits = {int(pid) for pid in re.findall(r"Selected to kill:.*?pid=(\d+)", str(error))}
        for identity in running:
            if newest_attempt(self._store, identity).get("pid") in culprits:
                self._close(identity, error)
        self._observer.note("workers were killed for want of memory; what is left goes on with fewer at once")

    def all_ended(self, specs: Iterable[TrialSpec]) -> None:
        """Tune has nothing left to do for these."""
        self._over |= {trial_id(spec) for spec in specs}

    def take_held(self, specs: Sequence[TrialSpec]) -> list[TrialSpec]:
        """Those of these that somebody else had when a worker came for them; they are to be looked at again."""
        found = [spec for spec in specs if trial_id(spec) in self.held]
        self._over -= self.held
        self.held.clear()
        return found

    def left(self, specs: Sequence[TrialSpec]) -> list[TrialSpec]:
        """Those that neither ended nor were given up."""
        return [spec for spec in specs if trial_id(spec) not in self._over]

    def gave_up(self, identity: str, error: BaseException | None) -> None:
        """The worker did not come back, and nobody starts the trial again."""
        if self._unfit(error):
            return
        self._over.add(identity)
        self._observer.failed(identity, self._close(identity, error))
        self._look_at_family(identity)

    def _unfit(self, error: BaseException | None) -> bool:
        """Whether a worker refused its node, before it began the trial: the launch ends, the trial stays as it was."""
        if not isinstance(error, ClusterError):
            return False
        self.fatal = self.fatal or error
        self._stop_all()
        return True

    def _close(self, identity: str, error: BaseException | None) -> str:
        lost = error is None or type(error).__module__.startswith("ray.")
        failure = failure_class(error) if error else "infrastructure"
        why = "its worker was lost" if lost else one_line(f"{type(error).__name__}: {error}")
        if lost and failure == "host-memory":
            why = "its worker was killed for want of memory"
        try:
            if isinstance(error, OSError) and error.errno in STORE_IS_FULL:
                raise error
            owner = owner_of(self._store, identity)
            if owner is None or owner.driver == self._driver:  # else another driver's worker has it by now
                self._close_row(identity, failure, why, lost=lost)
        except OSError as storage:
            self.fatal = self.fatal or storage
            self._stop_all()
        return why

    def _close_row(self, identity: str, failure: Failure, why: str, *, lost: bool) -> None:
        """A process that was lost before it wrote its row gets one, or it could be lost without end."""
        following = self._store.next_attempt(identity)
        if lost and following == self._awaited[identity]:
            record_lost(self._store, identity, following, failure, why)
        else:
            close_lost(self._store, identity, following - 1, failure, why)
        self._awaited[identity] = self._store.next_attempt(identity)

    def _look_at_family(self, identity: str) -> None:
        if line := self._families.add(self._specs[identity], newest_attempt(self._store, identity)):
            self._stop_family(self._specs[identity])
            self._observer.note(line)
