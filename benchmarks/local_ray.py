"""A Ray of a benchmark's own, and what its attempts say of when they were at work."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import ray

from orchestrator import tune
from orchestrator.quiet import quiet
from orchestrator.scratch import environment, short_folder
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id

TRIES = 3

Span = tuple[float, float, str]
"""When an attempt began and ended, in seconds since 1970 UTC, and its trial."""


@contextmanager
def local_ray(slots: int, log: Path) -> Iterator[None]:
    """Ray on this machine with so many processors; its messages go to `log`."""
    with environment(tune.SETTINGS), short_folder() as scratch:
        with quiet(log):
            _start(slots, scratch)
        try:
            yield
        finally:
            with quiet(log):
                ray.shutdown()


def _start(slots: int, scratch: Path) -> None:
    """Ray gives its parts 30 s to start, which a very busy machine may need more than once."""
    for left in reversed(range(TRIES)):
        try:
            ray.init(
                address="local",
                num_cpus=slots,
                include_dashboard=False,
                object_store_memory=tune.OBJECT_STORE_BYTES,
                _temp_dir=str(scratch / f"ray{left}"),
            )
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


def spans(store: Store, specs: Sequence[TrialSpec]) -> list[Span]:
    """Of the first attempt at each trial, in order of beginning."""
    return sorted(_span(store, trial_id(spec)) for spec in specs)


def _span(store: Store, identity: str) -> Span:
    [row] = pq.read_table(store.attempt_file(identity, 0), columns=["started_at", "ended_at"]).to_pylist()
    return row["started_at"], row["ended_at"], identity


def gaps_before(worked: Sequence[Span]) -> list[float]:
    """For each, in order of beginning, how long nothing had been at work when it began."""
    gaps, busy_until = [], worked[0][0]
    for start, end, _ in worked:
        gaps.append(max(0.0, start - busy_until))
        busy_until = max(busy_until, end)
    return gaps
