"""The contract of every aggregator: shape and dtype, purity, identical rows, scaling, order, resume."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.aggregators import AGGREGATORS, tail_count
from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.gradients.types import DenseRows, Direction, Examples, GroupMeans
from trainables.registry import load
from trainables.spec import TrialSpec

BATCH = 12


class AggregatorContract(Contract):
    """keeps_identical_rows: examples that agree give the direction they agree on. homogeneous: gradients times c give
    the direction times c. Say False where a rule does not claim it."""

    keeps_identical_rows: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    def test_it_needs_something_known(self, subject: Subject) -> None:
        assert subject.entry.facts in ("nothing", "groups", "history", "rows", "norms")

    def test_shape_dtype_and_purity(self, subject: Subject) -> None:
        rows = torch.randn(BATCH, 5, dtype=torch.float64)
        before = rows.clone()
        direction = fed(subject, rows)
        assert direction.shape == (5,)
        assert direction.dtype == torch.float64
        assert bool(direction.isfinite().all())
        assert torch.equal(rows, before), "what an aggregator is given must stay as it is"

    def test_identical_rows_give_that_row(self, subject: Subject) -> None:
        row = torch.tensor([1.0, -2.0, 0.0, 3.5])
        if self.keeps_identical_rows:
            torch.testing.assert_close(fed(subject, row.repeat(BATCH, 1)), row)

    def test_scaling_the_rows_scales_the_direction(self, subject: Subject) -> None:
        rows = torch.randn(BATCH, 5, generator=torch.Generator().manual_seed(0))
        if self.homogeneous:
            torch.testing.assert_close(fed(subject, -4 * rows), -4 * fed(subject, rows))

    def test_the_order_of_rows_is_irrelevant(self, subject: Subject) -> None:
        rows = torch.randn(BATCH, 5, dtype=torch.float64)
        if subject.entry.facts != "groups":
            torch.testing.assert_close(fed(subject, rows.flip(0)), fed(subject, rows))

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        chosen = subject.choice.model_dump(mode="json", exclude_defaults=True)
        with registered(AGGREGATORS, subject):
            check_trial(TrialSpec.model_validate({**QUICK, "aggregator": chosen}), tmp_path)


class Matrix(Examples):
    """The examples that are the rows of a matrix [N, D]."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows

    def norms(self) -> Tensor:
        """Of the rows."""
        return self._rows.double().norm(dim=1)

    def weighted_sum(self, weights: Tensor) -> Direction:
        """Of the rows."""
        return Direction({"w": weights.to(self._rows) @ self._rows})


def fed(subject: Subject, rows: Tensor, times: int = 3) -> Tensor:
    """Direction of an aggregator fed the same batch of rows [N, D] until it no longer idles."""
    level = getattr(subject.choice, "level", None)
    aggregator = load(subject.entry)(subject.choice, None if level is None else tail_count(level, len(rows)))
    direction, state = None, aggregator.init()
    for _ in range(times):
        direction, state = aggregator.update(given(subject.entry.facts, rows), state)
    assert direction is not None, f"it still idles after {times} batches"
    found: Tensor = direction.tensors["w"]
    return found


def given(needs: Any, rows: Tensor) -> Any:
    """What an aggregator with these needs is handed for a batch of rows."""
    if needs == "rows":
        return iter([("w", DenseRows(rows))])
    if needs == "norms":
        return Matrix(rows)
    if needs == "groups":
        return GroupMeans(tuple(Direction({"w": part.mean(0)}) for part in rows.tensor_split(3)))
    return Direction({"w": rows.mean(0)})
