"""Cells that share a pass: the same sums as a pass for each, wherever a model allows it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.trainables.problems import CE, lenet, mlp
from trainables.cells import HELD_BYTES, Cells
from trainables.example_units import ExampleUnits
from trainables.gradients.engine import Engine
from trainables.gradients.streaming import Split
from trainables.joint import packed
from trainables.passes import Keep
from trainables.probe import measure_sample, probe_rows
from trainables.sample import deal

SIZE = 90


class Twice(nn.Module):
    """A layer that is used two times, so that its sums are not taken while the pass runs."""

    def __init__(self):
        super().__init__()
        self.first, self.out = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.out(self.first(self.first(x).relu()))


class Scaled(nn.Module):
    """A parameter of its own, which has no rule."""

    def __init__(self):
        super().__init__()
        self.scale, self.out = nn.Parameter(torch.rand(6) + 1), nn.Linear(6, 4)

    def forward(self, x):
        return self.out(x * self.scale)


MODELS = {"mlp": (mlp, (1, 4, 3)), "lenet": (lenet, (1, 12, 14)), "twice": (Twice, (6,)), "scaled": (Scaled, (6,))}


def problem(name, seed=0):
    build, shape = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = build().double()
        x, y = torch.randn(SIZE, *shape, dtype=torch.float64), torch.randint(4, (SIZE,))
    engine = Engine(model, fused=True)
    engine.plan(x[:3])
    return ExampleUnits(model, CE, engine), x, y


CELLS = deal(np.random.default_rng(0).permutation(SIZE), np.arange(SIZE) % 4 == 0)


def rows(units, x, y):
    return probe_rows(units, measure_sample(units, x, y, CELLS, Keep()), ("pristine", "corrupt"))


def passes(model):
    """Sizes of the batches of all passes, as they are made."""
    found = []
    model.register_forward_pre_hook(lambda _, inputs: found.append(len(inputs[0])))
    return found


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for column, value in one.items():
            if isinstance(value, float):
                assert value == pytest.approx(other[column], rel=1e-9, abs=1e-12), column
            else:
                assert value == other[column], column


@pytest.mark.parametrize("name", MODELS)
def test_rows_are_those_of_a_pass_for_each_cell(name):
    units, x, y = problem(name)
    units._join = False
    apart = rows(units, x, y)
    units, x, y = problem(name)
    made = passes(units.model)
    assert_same(rows(units, x, y), apart)
    assert_same(rows(units, x, y), apart)
    assert units.seen == 2 * SIZE
    assert SIZE in made


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_a_second_probe_shares_few_passes(name):
    units, x, y = problem(name)
    rows(units, x, y)
    made = passes(units.model)
    rows(units, x, y)
    assert made == [SIZE]


@pytest.mark.parametrize("name", ["twice", "scaled"])
def test_a_model_that_cannot_be_told_apart_is_asked_once(name):
    units, x, y = problem(name)
    rows(units, x, y)
    made = passes(units.model)
    rows(units, x, y)
    assert made
    assert SIZE not in made


def test_what_needs_single_examples_goes_cell_by_cell():
    units, x, y = problem("mlp")
    made = passes(units.model)
    sample = measure_sample(units, x, y, CELLS, Keep(total=True, squares=True))
    assert made == [len(cell.indices) for cell in CELLS]
    assert sample.whole.total.keys() == dict(units.model.named_parameters()).keys()


def scarce_forward(module, inputs, output):
    if len(output) > 20:
        raise MemoryError


def scarce_backward(module, inputs, output):
    def give_up(_):
        raise MemoryError

    if len(output) > 20 and output.requires_grad:
        output.register_hook(give_up)


@pytest.mark.parametrize("scarce", [scarce_forward, scarce_backward])
def test_where_memory_runs_out_each_cell_has_its_pass(scarce):
    """Backward: sums of the layers above were handed over already."""
    units, x, y = problem("mlp")
    apart = rows(units, x, y)
    units, x, y = problem("mlp")
    first = next(module for module in units.model.modules() if isinstance(module, nn.Linear))
    first.register_forward_hook(scarce)
    assert_same(rows(units, x, y), apart)


def test_other_errors_are_raised():
    units, x, y = problem("mlp")

    def broken(_, inputs):
        if len(inputs[0]) > 20:
            raise RuntimeError("broken")

    units.model.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="broken"):
        rows(units, x, y)


def test_a_pass_that_cannot_be_split_is_refused():
    units, x, y = problem("twice")
    with units.engine.recording() as record:
        losses = CE(units.model(x), y)
    with pytest.raises(ValueError, match="splits"):
        record.differentiate_groups(losses, Split([slice(0, SIZE)], lambda *_: None))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 60))
def test_what_is_packed_is_in_order_whole_and_within_the_limit(sizes, limit):
    found = list(packed(sizes, limit))
    assert [k for part in found for k in range(part.start, part.stop)] == list(range(len(sizes)))
    for part, following in zip(found, [*found[1:], None], strict=True):
        own = sum(sizes[part])
        assert own <= limit or part.stop == part.start + 1
        if following is not None:
            assert own + sizes[following.start] > limit


def test_matrices_are_kept_for_the_next_probe_unless_large():
    memory = {}
    for held in (HELD_BYTES, 0):
        cells = Cells(2, memory)
        for cell in range(2):
            cells.put(cell, {"w": torch.full((3, 2), cell + 1.0)}, 2.0, first=True)
        assert cells.gram(["w"]).tolist() == [[24.0, 48.0], [48.0, 96.0]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trainables.cells.HELD_BYTES", held)
            cells.release()
        assert bool(memory) == bool(held)


def test_one_cell_in_double_precision_makes_all_so():
    cells, third = Cells(2, {}), torch.tensor([1.0 / 3.0], dtype=torch.float64)
    cells.put(0, {"w": torch.ones(1)}, 1.0, first=True)
    cells.put(1, {"w": third}, 1.0, first=True)
    assert cells.gram(["w"])[0, 1] == third.item()


def test_cells_of_another_number_or_shape_get_memory_of_their_own():
    memory = {}
    Cells(2, memory).put(0, {"w": torch.ones(4)}, 1.0, first=True)
    cells = Cells(1, memory)
    cells.put(0, {"w": torch.ones(5)}, 1.0, first=True)
    assert cells.gram(["w"]).tolist() == [[5.0]]


def test_parts_of_a_cell_are_added_in_double_precision():
    cells, third = Cells(2, {}), torch.tensor([1.0 / 3.0], dtype=torch.float32)
    for scale in (2.0, 3.0, 5.0):
        cells.put(0, {"w": third}, scale, first=scale == 2.0)
    cells.put(1, {"w": third}, 7.0, first=True)
    exact = float(third.double())
    expected = [[(10 * exact) ** 2, 10 * exact * 7 * exact], [10 * exact * 7 * exact, (7 * exact) ** 2]]
    assert cells.gram(["w"]) == pytest.approx(np.array(expected), rel=1e-14)
