"""What the fault campaigns rest on: a schedule that leaves no kind out, and a disk that can be full or read-only."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.disk import may_mount
from benchmarks.schedule import Schedule

KINDS = ("kill", "kill", "cut", "full")


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_comes_as_often_as_it_is_named_before_any_comes_again(seed: int) -> None:
    schedule = Schedule(KINDS, random.Random(seed))
    drawn = [schedule.draw() for _ in range(12)]
    assert all(Counter(drawn[first : first + 4]) == Counter(KINDS) for first in (0, 4, 8))


def test_what_could_not_be_done_comes_again_in_the_same_round() -> None:
    schedule = Schedule(KINDS, random.Random(1))
    first = schedule.draw()
    schedule.put_back(first)
    assert Counter(schedule.draw() for _ in range(4)) == Counter(KINDS)


TAMPER = """
import errno, sys, threading
from pathlib import Path
from benchmarks.disk import Disk

disk, seen = Disk(Path(sys.argv[1]) / "disk", 1), set()
def write():
    try:
        (disk.folder / "note").write_bytes(b"x" * 2**18)
    except OSError as error:
        seen.add(error.errno)
for tamper, expected in ((disk.full, errno.ENOSPC), (disk.read_only, errno.EROFS)):
    thread = threading.Thread(target=tamper, args=(3.0,))
    thread.start()
    while thread.is_alive() and expected not in seen:
        write()
    thread.join()
    assert expected in seen, (tamper, seen)
    seen.clear()
    write()
    assert not seen, "afterwards there is room, and a right to write"
disk.remove()
assert not list(disk.folder.iterdir())
"""


@pytest.mark.skipif(not may_mount(), reason="needs root on Linux")
def test_a_disk_is_full_and_read_only_for_a_while(tmp_path: Path) -> None:
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", TAMPER, str(tmp_path)]
    tried = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("no mount namespaces here")
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[1])
