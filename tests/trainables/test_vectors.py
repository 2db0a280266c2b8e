"""Dot products of a few long vectors against numpy's, whatever the way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.gradients import vectors


@pytest.mark.parametrize("least", [1, 10**9])
@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 13),
    size=st.integers(1, 60),
    columns=st.integers(1, 70),
    double=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_all_pairs_of_vectors_of_either_precision(least, count, size, columns, double, seed):
    drawn = np.random.default_rng(seed).normal(size=(count, size)) * 10.0 ** np.arange(count)[:, None]
    given = torch.from_numpy(drawn if double else drawn.astype("f4"))
    exact = given.numpy().astype("f8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "COLUMNS", columns)
        patch.setattr(vectors, "LEAST", least)
        found = vectors.gram(given).numpy()
    size_of = np.linalg.norm(exact, axis=1)
    assert found.shape == (count, count)
    assert (np.abs(found - exact @ exact.T) <= 1e-13 * np.outer(size_of, size_of)).all()
    assert (found == found.T).all()


def test_what_is_not_a_number_stays_so():
    found = vectors.gram(torch.stack([torch.tensor([1.0, float("nan")]).repeat(300), torch.ones(600)]))
    assert torch.isnan(found).tolist() == [[True, True], [True, False]]
