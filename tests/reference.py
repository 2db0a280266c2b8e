"""Slow and obvious float64 oracles: loops over examples and sorted lists, each explicable on a blackboard."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn


def per_example_gradients(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    """Gradient of each example alone, one backward pass each, in float64: trainable parameter -> [N, *shape]."""
    twin = copy.deepcopy(model).double()
    trainable = {name: parameter for name, parameter in twin.named_parameters() if parameter.requires_grad}
    rows: dict[str, list[Tensor]] = {name: [] for name in trainable}
    for i in range(len(x)):
        twin.zero_grad()
        loss(twin(x[i : i + 1].double()), y[i : i + 1]).sum().backward()
        for name, parameter in trainable.items():
            assert parameter.grad is not None
            rows[name].append(parameter.grad.clone())
    return {name: torch.stack(found) for name, found in rows.items()}


def gradients_of_losses(model: nn.Module, losses: Tensor) -> dict[str, Tensor]:
    """Gradient of each of the losses [N] of one pass, one backward pass each: trainable parameter -> [N, *shape]."""
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = [torch.autograd.grad(loss, list(trainable.values()), retain_graph=True) for loss in losses]
    return {name: torch.stack([each[k] for each in found]) for k, name in enumerate(trainable)}


def flat(rows: dict[str, Tensor], prefix: str = "") -> Tensor:
    """All rows side by side, [N, D], of the parameters whose name begins with `prefix`."""
    return torch.cat([g.reshape(len(g), -1) for name, g in rows.items() if name.startswith(prefix)], dim=1)


def coherence_by_pairs(g: Tensor) -> float:
    """alpha as the mean dot product over all pairs, the diagonal included, over the mean squared norm."""
    n = len(g)
    pairs = sum(float(g[i] @ g[j]) for i in range(n) for j in range(n)) / n**2
    return pairs / (sum(float(g[i] @ g[i]) for i in range(n)) / n)


def unbiased_by_pairs(g: Tensor) -> float:
    """alpha as the mean dot product over distinct pairs, over the mean squared norm."""
    n = len(g)
    pairs = sum(float(g[i] @ g[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return pairs / (sum(float(g[i] @ g[i]) for i in range(n)) / n)


def winsorized_mean(values: list[float], k: int) -> float:
    """Replace the k smallest by the next, the k largest by the next, and average."""
    ordered = sorted(values)
    low, high = ordered[k], ordered[len(ordered) - 1 - k]
    return sum(min(max(v, low), high) for v in values) / len(values)


def median(values: list[float]) -> float:
    """The middle one of an odd number of values."""
    return sorted(values)[len(values) // 2]


def trimmed_mean(values: list[float], k: int) -> float:
    """Drop the k smallest and the k largest, and average."""
    kept = sorted(values)[k : len(values) - k]
    return sum(kept) / len(kept)


def middle(values: list[float]) -> float:
    """The median of any number of values: the middle one, or the mean of the middle two."""
    ordered, n = sorted(values), len(values)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def sum_of_signs(values: list[float]) -> float:
    """How many are positive, less how many are negative."""
    return float(sum(v > 0 for v in values) - sum(v < 0 for v in values))


def clipped_mean(g: Tensor, clip: float) -> Tensor:
    """Mean of the rows [N, D], each shortened to a norm of at most clip."""
    rows = [row if float(row.norm()) <= clip else row * (clip / float(row.norm())) for row in g]
    return torch.stack(rows).sum(dim=0) / len(rows)
