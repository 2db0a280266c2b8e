"""Rows of layers with positions, whole and in pieces, patches held or taken anew: equal to a loop over examples."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests import reference
from trainables.gradients import conv2d, linear, pieces, types
from trainables.gradients.types import DenseRows, FormedRows


def weighed(outputs, y):
    return (outputs * y).flatten(1).sum(dim=1)


@pytest.fixture(scope="module", params=["whole", "held", "anew", "tiles", "whole in tiles"])
def sizes(request):
    with pytest.MonkeyPatch.context() as patch:
        if "tiles" not in request.param:
            patch.setattr(pieces, "chosen", lambda *_: "patches")
        if "whole" not in request.param:
            patch.setattr(types, "PIECE_BYTES", 600)
            patch.setattr(pieces, "PIECE_BYTES", 0)
        if request.param == "anew":
            patch.setattr(pieces, "HELD_BYTES", 0)
        yield request.param


def held(rows, oracle, way):
    """Rows as one tensor and as the sum of their pieces."""
    assert len(rows) == len(oracle)
    assert isinstance(rows, DenseRows if "whole" in way else FormedRows)
    torch.testing.assert_close(rows.dense(), oracle)
    for _ in range(2):
        torch.testing.assert_close(torch.cat(list(rows.pieces()), dim=1), oracle)
    if "whole" not in way:
        assert max(piece.shape[1] for piece in rows.pieces()) == min(rows.step, oracle.shape[1])


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 4),
    channels=st.integers(1, 3),
    outputs=st.integers(1, 5),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    mode=st.sampled_from(["zeros", "replicate"]),
)
def test_rows_of_convolutions(sizes, n, channels, outputs, kernel, stride, padding, mode):
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, outputs, kernel, stride=stride, padding=padding, padding_mode=mode).double()
    x = torch.randn(n, channels, 6, 5, dtype=torch.float64)
    d = torch.randn_like(layer(x))
    rows = conv2d.rows(layer, "weight", x, d)
    held(rows, reference.per_example_gradients(layer, weighed, x, d)["weight"], sizes)


@settings(max_examples=15, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=3), inputs=st.integers(1, 4), outputs=st.integers(1, 5))
def test_rows_of_linear_layers_with_positions(sizes, shape, inputs, outputs):
    torch.manual_seed(0)
    layer = nn.Linear(inputs, outputs).double()
    x = torch.randn(*shape, inputs, dtype=torch.float64)
    d = torch.randn(*shape, outputs, dtype=torch.float64)
    rows = linear.rows(layer, "weight", x, d)
    held(rows, reference.per_example_gradients(layer, weighed, x, d)["weight"], "formed" if "whole" in sizes else sizes)
