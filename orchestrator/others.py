"""Trials that another driver has: waiting until they are done or free, without hurry."""

import time
from collections.abc import Callable, Iterable

from orchestrator import claims
from orchestrator.observer import Observer
from orchestrator.states import outcome_of
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id

LOOK_EVERY_S = 2.0


class Others:
    """The trials of a launch that somebody else had when a worker came for them."""

    def __init__(
        self,
        store: Store,
        driver: str,
        observer: Observer,
        should_stop: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._driver, self._observer, self._sleep = store, driver, observer, sleep
        self._should_stop = should_stop
        self._waiting: list[TrialSpec] = []
        self._told = False

    def add(self, specs: Iterable[TrialSpec]) -> None:
        """Look at these again later."""
        self._waiting.extend(specs)

    def next_ready(self) -> list[TrialSpec]:
        """Wait until some can be taken up, or are done; none where nothing is left or a stop was asked for."""
        self._tell()
        while self._waiting and not self._should_stop():
            ready = [spec for spec in self._waiting if self._is_ready(trial_id(spec))]
            if ready:
                self._waiting = [spec for spec in self._waiting if spec not in ready]
                return ready
            self._sleep(LOOK_EVERY_S)
        return []

    def _tell(self) -> None:
        if not self._waiting or self._told:
            return
        self._told = True
        owner = claims.owner_of(self._store, trial_id(self._waiting[0]))
        who = f" ({owner})" if owner else ""
        self._observer.note(f"{len(self._waiting)} trials are being run by somebody else{who}: waiting for them")

    def _is_ready(self, identity: str) -> bool:
        return claims.free_for(self._store, identity, self._driver) or outcome_of(self._store, identity) is not None
