"""Putting a model into another state for a while, and back exactly."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; each module's own mode afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def frozen_buffers(model: nn.Module) -> Iterator[None]:
    """Buffers (running statistics of batch normalisation) may change inside; they are as before afterwards."""
    kept = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


@contextmanager
def at_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Other values in the parameters and buffers named; the model's own, bit for bit, afterwards."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept = {name: own[name].detach().clone() for name in weights}
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                own[name].copy_(value)


def mixes_examples(model: nn.Module) -> bool:
    """Whether some batch normalisation lets the examples of a batch see each other while training."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
