import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator import lock as lock_module
from orchestrator.errors import UserError
from orchestrator.lock import LOCK_FILE, DriverLock, live_driver_since, read_owner
from orchestrator.store import Store


def ignore(text: str) -> None:
    """Notes are not what these tests look at."""


def write_lock(root: Path, **changes: object) -> None:
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": lock_module._birth(os.getpid()),
        "nonce": "other",
        "since": time.time(),
        "expires": time.time() + 100,
    }
    (root / LOCK_FILE).write_text(json.dumps(owner | changes))


def test_held_and_released(store: Store) -> None:
    before = time.time()
    with DriverLock(store.root, ignore):
        since = live_driver_since(store.root)
        assert since is not None
        assert since >= before
    assert live_driver_since(store.root) is None
    assert [path.name for path in store.root.iterdir()] == ["_store.json"]


def test_a_living_owner_is_named_and_keeps_it(store: Store) -> None:
    with DriverLock(store.root, ignore):
        with pytest.raises(UserError, match=rf"process {os.getpid()} on .* expires, this one in \d+ s"):
            DriverLock(store.root, ignore).__enter__()
        assert live_driver_since(store.root) is not None


def test_the_lock_of_a_dead_process_is_taken_at_once(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    write_lock(store.root, pid=int(done.stdout))
    assert live_driver_since(store.root) is None
    with DriverLock(store.root, ignore):
        owner = read_owner(store.root)
        assert owner is not None
        assert owner.pid == os.getpid()


def test_a_reused_process_id_is_not_the_owner(store: Store) -> None:
    write_lock(store.root, born="1")
    with DriverLock(store.root, ignore):
        pass


def test_an_expired_lock_of_another_host_is_taken_and_a_valid_one_is_not(store: Store) -> None:
    write_lock(store.root, host="elsewhere", pid=1)
    with pytest.raises(UserError, match="process 1 on elsewhere"):
        DriverLock(store.root, ignore).__enter__()
    write_lock(store.root, host="elsewhere", pid=1, expires=time.time() - 1)
    with DriverLock(store.root, ignore):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}'])
def test_an_unreadable_lock_expires_too(store: Store, content: str) -> None:
    path = store.root / LOCK_FILE
    path.write_text(content)
    with pytest.raises(UserError, match="is driven by"):
        DriverLock(store.root, ignore).__enter__()
    os.utime(path, (0, 0))
    with DriverLock(store.root, ignore):
        pass


def test_one_of_many_wins(store: Store) -> None:
    write_lock(store.root, born="1")
    start, held, winners = threading.Barrier(8), threading.Event(), []

    def take() -> None:
        start.wait()
        try:
            with DriverLock(store.root, ignore):
                winners.append(1)
                held.wait(5)
        except UserError:
            pass

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        if sum(thread.is_alive() for thread in threads) == 1:
            break
        time.sleep(0.01)
    held.set()
    for thread in threads:
        thread.join()
    assert winners == [1]


def test_a_ticket_of_a_killed_driver_holds_nobody_up(store: Store) -> None:
    write_lock(store.root, born="1")
    ticket = store.root / f"{LOCK_FILE}.taken-from-other"
    ticket.touch()
    with pytest.raises(UserError, match="is being taken by another driver"):
        DriverLock(store.root, ignore).__enter__()
    os.utime(ticket, (0, 0))
    with DriverLock(store.root, ignore):
        pass
    assert not ticket.exists()


def test_it_is_renewed_and_a_failing_renewal_is_a_note(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "RENEW_S", 0.02)
    notes: list[str] = []
    with DriverLock(store.root, notes.append) as held:
        first = read_owner(store.root)
        wait_for(lambda: (read_owner(store.root) or first).expires > first.expires)  # type: ignore[union-attr]
        monkeypatch.setattr(held, "_written", raise_no_space)
        wait_for(lambda: notes != [])
    assert "No space left" in notes[0]


def test_a_lock_taken_by_another_is_left_to_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "RENEW_S", 0.02)
    notes: list[str] = []
    with DriverLock(store.root, notes.append):
        write_lock(store.root, nonce="thief")
        wait_for(lambda: notes != [])
    owner = read_owner(store.root)
    assert owner is not None
    assert owner.nonce == "thief"


def raise_no_space() -> Path:
    raise OSError(28, "No space left on device")


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 5
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
