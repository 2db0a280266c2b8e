"""Training before a trial's first step: to sort examples by difficulty, or to start from weights that fit other labels.

Plain: mean gradient, constant learning rate, no augmentation, nothing measured. Its streams are its own, so that the
trial itself draws what it would draw without it.
"""

from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor, nn

from trainables.inputs import Inputs
from trainables.optim import OPTIMIZERS
from trainables.outcomes import DivergedError, InterruptedBeforeError
from trainables.passes import trainable
from trainables.registry import load
from trainables.seeding import stream, torch_stream
from trainables.spec import TrialSpec


def train_beforehand(
    spec: TrialSpec,
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    x: Inputs,
    y: Tensor,
    *,
    epochs: int,
    purpose: str,
    should_stop: Callable[[], bool],
) -> None:
    """Change `model` by `epochs` passes over (x, y), a short last batch dropped.

    Raises DivergedError where a loss is not finite and InterruptedBeforeError when asked to stop: nothing of it is
    saved, and it begins anew.
    """
    optimizer, parameters = load(OPTIMIZERS[spec.optimizer.name])(spec.optimizer), trainable(model)
    per_epoch = len(x) // spec.batch_size
    for epoch in range(epochs):
        order = stream(spec.seed, f"{purpose}/order/{epoch}").permutation(len(x))
        for position in range(per_epoch):
            chosen = order[position * spec.batch_size : (position + 1) * spec.batch_size]
            index = torch.from_numpy(chosen).to(y.device)
            step = epoch * per_epoch + position
            with torch_stream(spec.seed, f"{purpose}/forward/{step}", y.device):
                mean = loss(model(x[index]), y[index]).mean()
            if not isfinite(float(mean.detach())):
                raise DivergedError(f"the loss of the batch at step {step} of {purpose} is {float(mean.detach())}")
            gradients = torch.autograd.grad(mean, list(parameters.values()))
            optimizer.apply(parameters, dict(zip(parameters, gradients, strict=True)), spec.optimizer.lr, decay=True)
            if should_stop():
                raise InterruptedBeforeError(f"stopped at step {step} of {purpose}")
