"""Checks made once, at a trial's first step: that the per-example statistics are what they claim to be."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""Relative; float32 leaves room for other summation orders, not for a missing term."""

Norms = dict[str, dict[str, Tensor]]
"""Layer -> tensor -> squared norms [N]."""


def check_independence(model: nn.Module, x: Tensor) -> None:
    """Refuse a model in which one example's output depends on another: f(half a batch) must be half of f(batch)."""
    half = max(1, len(x) // 2)
    with torch.no_grad():
        whole, part = model(x)[:half], model(x[:half])
    scale = whole.abs().max().clamp_min(1.0)
    if float((whole - part).abs().max() / scale) > TOLERANCE[whole.dtype]:
        raise UnsupportedModelError("the model's output for an example depends on the other examples of its batch.")


def check_complete(engine: Engine, losses: Tensor, sums: dict[str, Tensor]) -> None:
    """Refuse a model of which the engine does not see every use of a parameter.

    sums: the engine's sums of per-example gradients; autograd's own gradient of the summed loss must agree.
    """
    own = torch.autograd.grad(losses.sum(), list(engine.parameters.values()), retain_graph=True)
    whole = sum(float(gradient.square().sum()) for gradient in own) ** 0.5
    for (name, parameter), gradient in zip(engine.parameters.items(), own, strict=True):
        difference, size = float((gradient - sums[name]).norm()), float(gradient.norm())
        rounding = 100 * torch.finfo(parameter.dtype).eps * whole
        noise = max(TOLERANCE[parameter.dtype] * max(size, float(sums[name].norm())), rounding)
        if difference > noise:
            raise UnsupportedModelError(
                f"parameter {name!r} is used in a way the per-example rules do not see: its gradient and the sum of"
                f" its examples' gradients differ by {difference:.3g} (norm {size:.3g})."
            )


def check_alone(engine: Engine, norms: Norms, half: Norms, size: int) -> None:
    """Refuse a model whose layers have something else than examples on their first axis.

    norms: squared norms of a batch; half: the same with the losses of all but the first `size` examples set to
    zero. The first must keep their norms, the others must have none.
    """
    whole = sum(float(each.sum()) for tensors in norms.values() for each in tensors.values())
    for layer in engine.layers:
        for tensor in layer.tensors:
            found, expected = half[layer.name][tensor], norms[layer.name][tensor].clone()
            expected[size:] = 0.0
            noise = TOLERANCE[getattr(layer.module, tensor).dtype]
            if bool(((found - expected).abs() > noise * (found + expected) + noise**2 * whole).any()):
                raise UnsupportedModelError(
                    f"layer {layer.name!r}: an example's gradient depends on the losses of other examples;"
                    " the first axis of its input must be that of the examples."
                )


def check_model(engine: Engine, model: nn.Module, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> None:
    """All checks on one batch. losses_of: outputs to losses [N]."""
    check_independence(model, x)
    size = max(1, len(x) // 2)
    with engine.recording() as record:
        losses = losses_of(model(x))
    own_graph = losses_of(model(x))
    record.differentiate(losses, mean_gradient=False)
    check_complete(engine, own_graph, record.group_sums([slice(None)])[0].tensors)
    with engine.recording() as masked:
        losses = losses_of(model(x))
    masked.differentiate(losses * (torch.arange(len(x), device=x.device) < size), mean_gradient=False)
    check_alone(engine, record.square_norms(), masked.square_norms(), size)
