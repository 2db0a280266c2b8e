"""Checks made once, at a trial's first step: that the per-example statistics are what they claim to be."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError
from trainables.modes import draws, evaluating, same_draws, untouched

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""Relative; float32 leaves room for other summation orders, not for a missing term."""

Norms = dict[str, dict[str, Tensor]]
"""Layer -> tensor -> squared norms [N]."""


def check_independence(model: nn.Module, x: Tensor) -> None:
    """Refuse a model in which one example's output depends on another: f(half a batch) must be half of f(batch).

    A model that draws (dropout) is compared in evaluation mode: half a batch would draw other masks.
    """
    half = max(1, len(x) // 2)
    noisy = draws(model, x)
    with torch.no_grad(), evaluating(model, noisy):
        if noisy and draws(model, x):
            raise UnsupportedModelError(
                "the model draws random numbers in evaluation mode too, so that its batches cannot be compared;"
                " use nn.Dropout, or dropout(x, p, training=self.training)."
            )
        whole, part = model(x)[:half], model(x[:half])
    scale = whole.abs().max().clamp_min(1.0)
    if float((whole - part).abs().max() / scale) > TOLERANCE[whole.dtype]:
        raise UnsupportedModelError("the model's output for an example depends on the other examples of its batch.")


def check_complete(engine: Engine, losses: Tensor, sums: dict[str, Tensor]) -> None:
    """Refuse a model of which the engine does not see every use of a parameter.

    sums: the engine's sums of per-example gradients; autograd's own gradient of the summed loss must agree.
    """
    compare_sums(engine, own_gradients(engine, losses), sums)


def own_gradients(engine: Engine, losses: Tensor) -> list[Tensor | None]:
    """Autograd's gradient of the summed loss, per parameter; the graph is kept."""
    parameters = list(engine.parameters.values())
    return list(torch.autograd.grad(losses.sum(), parameters, retain_graph=True, allow_unused=True))


def compare_sums(engine: Engine, own: Sequence[Tensor | None], sums: dict[str, Tensor]) -> None:
    """Raise UnsupportedModelError by name where a sum of per-example gradients is not autograd's own gradient."""
    whole = sum(float(gradient.square().sum()) for gradient in own if gradient is not None) ** 0.5
    for (name, parameter), gradient in zip(engine.parameters.items(), own, strict=True):
        if gradient is None:
            raise UnsupportedModelError(f"no loss depends on parameter {name!r}; freeze it or use it.")
        difference, size = float((gradient - sums[name]).norm()), float(gradient.norm())
        rounding = 100 * torch.finfo(parameter.dtype).eps * whole
        noise = max(TOLERANCE[parameter.dtype] * max(size, float(sums[name].norm())), rounding)
        if difference > noise:
            raise UnsupportedModelError(
                f"parameter {name!r} is used in a way that per-example gradients do not see: its gradient and the sum"
                f" of its examples' gradients differ by {difference:.3g} (norm {size:.3g})."
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


def _fused_sums(
    engine: Engine, model: nn.Module, x: Tensor, losses_of: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Sums of gradients as training takes them."""
    with same_draws(x.device), engine.recording() as record:
        losses = losses_of(model(x))
    mean = record.differentiate(losses, mean_gradient=True, keep=False, measured=False)
    assert mean is not None
    return {name: gradient * len(x) for name, gradient in mean.tensors.items()}


def check_model(engine: Engine, model: nn.Module, x: Tensor, losses_of: Callable[[Tensor], Tensor]) -> None:
    """Plan the engine and make all checks, on one batch x [N, ...]. losses_of: outputs to losses [N].

    Every pass is made from the same state of the generators, so that dropout masks agree; weights, buffers,
    generators and modes are left as they were.
    """
    engine.plan(x)
    with untouched(model, x.device), evaluating(model, engine.eval_mode):
        check_independence(model, x)
        size = max(1, len(x) // 2)
        with same_draws(x.device), engine.recording() as record:
            losses = losses_of(model(x))
        with same_draws(x.device):
            own_graph = losses_of(model(x))
        record.differentiate(losses, mean_gradient=False)
        check_complete(engine, own_graph, record.row_sums().tensors)
        if engine.fused:
            check_complete(engine, own_graph, _fused_sums(engine, model, x, losses_of))
        with same_draws(x.device), engine.recording() as masked:
            losses = losses_of(model(x))
        masked.differentiate(losses * (torch.arange(len(x), device=x.device) < size), mean_gradient=False)
        check_alone(engine, record.square_norms(), masked.square_norms(), size)
