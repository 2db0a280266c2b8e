"""The follower of a launch: shows trials in W&B while they train, from the rows that appear in the store.

    python -m orchestrator.tracking.follow '{"store": ..., "sweep": ..., "mode": ..., ...}'

On standard input, a line for each trial that begins (`started ID`) or ends (`finished ID OUTCOME`); its end is the end
of the launch. On standard output, JSON lines: `notice`, or `error` for what made it give up. Ids of live runs end in
`-live-<token>`, so that they are never taken for the one clean run that a push makes of a finished trial.
"""

import json
import os
import select
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.provenance import collect
from orchestrator.reading import DAMAGE
from orchestrator.redaction import redact
from orchestrator.revisions import specs_of
from orchestrator.rows import rows_of, table_of
from orchestrator.store import Store, open_store
from orchestrator.tracking.door import Mode, cause_of, check_space, files_of, has_key, open_run, service
from orchestrator.tracking.live import Live
from orchestrator.tracking.mirror import config_of, final_of, history, name_of, tags_of
from trainables.location import Location, locate
from trainables.records import part_number

PER_LOOK = 50
"""Points of a training curve that one look adds at most."""

TABLES = ("steps", "layers", "evals")


@dataclass
class Shown:
    """A live run, and the last part of each table that is in it."""

    run: Any
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, -1))


class Follower:
    """Live runs of one launch."""

    def __init__(self, wandb: Any, live: Live, mode: Mode, folder: Path) -> None:
        self._wandb, self._live, self._mode, self._folder = wandb, live, mode, folder
        self._store: Store = open_store(locate(live.store))
        self._specs = specs_of(self._store, live.sweep)
        self._origin = json.loads(collect(self._store.root))
        self._shown: dict[str, Shown] = {}

    def started(self, trial_id: str) -> None:
        """Open a run for a trial; a trial that begins again gets another."""
        text = self._specs.get(trial_id)
        if text is None:
            self._specs = specs_of(self._store, self._live.sweep)
            text = self._specs[trial_id]
        if trial_id in self._shown:
            self.finished(trial_id, "interrupted")
        check_space(self._folder)
        config = {**config_of(trial_id, text), "store": redact([self._live.store])[0], "provenance": self._origin}
        run = open_run(
            self._wandb,
            self._mode,
            self._live.project,
            self._live.entity,
            self._folder,
            id=f"{trial_id}-live-{uuid.uuid4().hex[:6]}",
            name=f"{name_of(config)} (live)",
            group=self._live.sweep,
            job_type="live",
            tags=[self._live.sweep, "live", *tags_of(config)],
            config=config,
        )
        self._shown[trial_id] = Shown(run)

    def finished(self, trial_id: str, outcome: str) -> None:
        """Show the last rows and close the run."""
        shown = self._shown.pop(trial_id, None)
        if shown is None:
            return
        self._show(trial_id, shown)
        done = table_of(self._store, "trials", trial_id)
        if done.height:
            shown.run.summary.update(final_of(done.row(0, named=True)))
        shown.run.summary.update({"outcome": outcome})
        shown.run.finish(0 if outcome in ("completed", "diverged", "stopped") else 1)

    def look(self) -> None:
        """Show what has appeared of every trial that runs."""
        check_space(self._folder)
        for trial_id, shown in self._shown.items():
            self._show(trial_id, shown)

    def close(self) -> None:
        """Close what is open: the launch ended before those trials."""
        for trial_id in list(self._shown):
            self.finished(trial_id, "interrupted")

    def _show(self, trial_id: str, shown: Shown) -> None:
        new = {table: self._new(table, trial_id, shown.last[table]) for table in TABLES}
        try:
            tables = [rows_of(table, trial_id, parts) for table, parts in new.items()]
        except DAMAGE:  # a part that a resume is making again: the next look finds it
            return
        for table, parts in new.items():
            shown.last[table] = max([shown.last[table], *map(part_number, parts)])
        for point in history(*tables, limit=PER_LOOK):
            shown.run.log(point)

    def _new(self, table: str, trial_id: str, last: int) -> list[Location]:
        return [path for path in self._store.parts(table, trial_id) if part_number(path) > last]


def lines(stream: int, every_s: float) -> Iterator[str | None]:
    """Lines from a descriptor as they come; None whenever `every_s` have gone without a look."""
    text, due = b"", time.monotonic() + every_s
    while True:
        ready, _, _ = select.select([stream], [], [], max(0.0, due - time.monotonic()))
        if ready:
            new = os.read(stream, 2**16)
            if not new:
                return
            *whole, text = (text + new).split(b"\n")
            yield from (line.decode() for line in whole)
        if time.monotonic() >= due:
            yield None
            due = time.monotonic() + every_s


def follow(live: Live, stream: int, folder: Path, mode: Mode, wandb: Any) -> None:
    """Follow a launch to its end."""
    follower = Follower(wandb, live, mode, folder)
    for line in lines(stream, live.every_s):
        if line is None:
            follower.look()
            continue
        event, trial_id, outcome = line.split(" ")
        if event == "started":
            follower.started(trial_id)
        else:
            follower.finished(trial_id, outcome)
    follower.close()


def _say(out: int, **content: str) -> None:
    os.write(out, json.dumps(content).encode() + b"\n")


def main() -> int:
    """Follow; whatever goes wrong becomes one line for the driver."""
    live = Live(**json.loads(sys.argv[1]))
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to the log
    place: Location = locate(live.store)
    try:
        mode: Mode = live.mode
        if mode == "online" and not has_key():
            mode = "offline"
            _say(out, notice="W&B: no API key (WANDB_API_KEY or `wandb login`), so runs are kept offline.")
        with ExitStack() as stack:
            folder = stack.enter_context(files_of(place, mode))
            wandb = stack.enter_context(service())
            if mode == "offline":
                _say(out, notice=f"W&B: offline runs in {folder / 'wandb'}; `wandb sync` sends them.")
            follow(live, 0, folder, mode, wandb)
    except Exception as error:  # noqa: BLE001 - the driver says it and goes on; the log has it whole
        _say(out, error=cause_of(error))
        traceback.print_exc()
    return 0


if __name__ == "__main__":
    sys.exit(main())
