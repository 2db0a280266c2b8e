"""What a writer does that lost its trial while writing, deleting or renewing: nothing of the new owner's goes."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import attempt, claims
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.claims import take
from orchestrator.resume import go_back, settle
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial
from trainables.checkpoint import CheckpointFolder
from trainables.sink import ParquetSink
from trainables.spec import TrialSpec, trial_id
from trainables.storage import SupersededError


def refuse() -> None:
    raise SupersededError


def test_a_row_equal_to_the_owners_is_not_taken_for_ones_own(
    any_store: Store, tiny_spec: TrialSpec, fake_trial: FakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two attempts of one launch come to the same row; the late one must not take the other's away."""
    identity, finish = trial_id(tiny_spec), attempt._finish

    def late(store: Store, name: str, final: dict[str, Any], claim: claims.Claim) -> None:
        asked = list[int]()

        def check() -> None:
            asked.append(1)
            if len(asked) == 2:  # the row is written, and asked for once more
                newer = take(store, name, "one")
                assert newer is not None
                finish(store, name, final, newer)
                raise SupersededError

        monkeypatch.setattr(claim, "check", check)
        finish(store, name, final, claim)

    monkeypatch.setattr(attempt, "_finish", late)
    assert run_attempt(tiny_spec, RunOptions(str(any_store.root), driver="one"), lambda: False) == "held"
    assert any_store.trial_file(identity).exists()
    assert fake_trial.calls == [identity]


@pytest.mark.parametrize(
    "work",
    [
        lambda store: go_back(store, "a", CheckpointFolder(store.checkpoints("a")), refuse),
        lambda store: settle(store, "a", {}, refuse),
    ],
    ids=["go_back", "settle"],
)
def test_parts_are_deleted_by_their_owner_only(any_store: Store, work: Callable[[Store], object]) -> None:
    sink = ParquetSink(any_store.root, "a", 0)
    sink.write("steps", [{"step": 0, "epoch": 0, "loss": 1.0}])
    sink.flush(0, {})
    with pytest.raises(SupersededError):
        work(any_store)
    assert len(any_store.parts("steps", "a")) == 1


def test_a_claim_that_was_long_in_renewing_is_renewed_at_once(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new expiry is that of when the store was asked, and may be past when the store answers."""
    claim = take(any_store, "a", "one")
    assert claim is not None
    pauses, clock = list[float](), [1000.0]

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) > 2

    def overwrite(*_: object) -> None:
        clock[0] += 40.0

    monkeypatch.setattr(claims, "overwrite", overwrite)
    monkeypatch.setattr(claims.time, "time", lambda: clock[0])
    monkeypatch.setattr(claim._closed, "wait", wait)
    claim._renew()
    assert pauses == [claims.RENEW_S, 0.0, 0.0]
