"""Trials of several shapes on nodes: against the schedule of equal slots, by hand, and what must not be placed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.makespan import schedule
from orchestrator.resources import Node, Resources, slots
from orchestrator.rooms import last_end

HALF, WHOLE, THIRD = (Resources(cpu=1, gpu=gpu) for gpu in (0.5, 1.0, 0.3333))
GPU_NODE: Node = {"CPU": 8.0, "GPU": 2.0}


@given(
    st.lists(st.integers(1, 50), max_size=12),
    st.integers(1, 3),
    st.sampled_from([Resources(cpu=1), Resources(cpu=2), HALF, THIRD, WHOLE]),
)
def test_of_one_shape_it_is_the_schedule_of_equal_slots(seconds: list[int], nodes: int, wanted: Resources) -> None:
    cluster = [GPU_NODE] * nodes
    expected = max((placed.end for placed in schedule(map(float, seconds), slots(wanted, cluster))), default=0.0)
    assert last_end([(float(each), wanted) for each in seconds], cluster) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from([HALF, THIRD, WHOLE])), min_size=1, max_size=12))
def test_it_is_no_shorter_than_the_work_allows_and_no_longer_than_one_after_the_other(
    trials: list[tuple[int, Resources]],
) -> None:
    timed = [(float(seconds), wanted) for seconds, wanted in trials]
    found = last_end(timed, [GPU_NODE])
    work = sum(seconds * wanted.gpu for seconds, wanted in timed) / 2
    assert max(*(seconds for seconds, _ in timed), work) - 1e-6 <= found <= sum(seconds for seconds, _ in timed)


BY_HAND = {
    "two halves and a whole share two devices": ([(4, HALF), (4, HALF), (4, WHOLE)], [GPU_NODE], 4),
    "a share lies on one device": ([(4, Resources(gpu=0.6))] * 3, [GPU_NODE], 8),
    "a small one goes before a large one that waits": ([(9, WHOLE), (9, HALF), (9, WHOLE), (9, HALF)], [GPU_NODE], 18),
    "processors bound it too": ([(5, Resources(cpu=8, gpu=0.5))] * 2, [GPU_NODE], 10),
    "two whole devices at once": ([(3, Resources(gpu=2)), (3, HALF)], [GPU_NODE], 6),
    "without a GPU": ([(3, Resources(cpu=2))] * 3, [{"CPU": 4.0}, {"CPU": 2.0}], 3),
    "nothing": ([], [GPU_NODE], 0),
}


@pytest.mark.parametrize(("trials", "nodes", "expected"), BY_HAND.values(), ids=BY_HAND)
def test_by_hand(trials: list, nodes: list[Node], expected: float) -> None:
    assert last_end(trials, nodes) == pytest.approx(expected)


@pytest.mark.parametrize("wanted", [Resources(cpu=9), Resources(gpu=3), Resources(cpu=8.5, gpu=0.5)])
def test_what_fits_nowhere_is_refused(wanted: Resources) -> None:
    with pytest.raises(ValueError, match="no node holds"):
        last_end([(1.0, HALF), (1.0, wanted)], [GPU_NODE])
