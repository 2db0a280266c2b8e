"""What Tune is given, and when: no more than run at once on the nodes at hand, in order, until a stop."""

from typing import Any

import pytest

ray = pytest.importorskip("ray")

from ray.tune.search import Searcher  # noqa: E402

from orchestrator.resources import Node, Resources  # noqa: E402
from orchestrator.shapes import Shapes  # noqa: E402
from orchestrator.tune.feed import LOOK_EVERY_S, Feed, Room  # noqa: E402


def feed(count: int, room: int = 2, stop: list[bool] | None = None) -> Feed:
    return Feed(({"trial_id": str(k)} for k in range(count)), lambda: room, lambda: bool(stop))


def given(one: Feed, name: str) -> Any:
    found = one.suggest(name)
    return found["trial"]["trial_id"] if isinstance(found, dict) else found


def test_a_trial_waits_until_one_has_ended() -> None:
    one = feed(3)
    assert [given(one, name) for name in "abc"] == ["0", "1", None]
    one.on_trial_complete("a", error=True)
    assert [given(one, name) for name in "cd"] == ["2", None]
    one.on_trial_complete("b", {})
    assert given(one, "d") == Searcher.FINISHED


def test_nothing_is_given_once_a_stop_was_requested() -> None:
    stop: list[bool] = []
    one = feed(3, stop=stop)
    assert given(one, "a") == "0"
    stop.append(True)
    assert given(one, "b") == Searcher.FINISHED


def test_room_follows_the_nodes_and_is_never_none() -> None:
    nodes: list[Node] = [{"CPU": 2.0}]
    now = [0.0]
    room = Room(Shapes(Resources()), lambda: nodes, lambda: now[0])
    assert room() == 2
    nodes.append({"CPU": 3.0})
    assert room() == 2, "looked at now and then"
    now[0] += LOOK_EVERY_S
    assert room() == 5
    nodes.clear()
    now[0] += LOOK_EVERY_S
    assert room() == 1
