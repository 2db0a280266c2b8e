"""Three hosts for the tests of this folder, or a skip that says what is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.hosts import Hosts, missing
from tests.cluster.ray_hosts import SURROUNDINGS


@pytest.fixture
def three_hosts(tmp_path: Path) -> Iterator[Hosts]:
    """h0, h1 and h2 on one bridge; nothing runs on them yet."""
    if why := missing():
        pytest.skip(why)
    with Hosts(3, tmp_path, SURROUNDINGS) as hosts:
        yield hosts
