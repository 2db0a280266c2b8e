"""Putting a model, or torch's generators, into another state for a while, and back exactly."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def same_draws(device: torch.device) -> Iterator[None]:
    """Passes made inside draw from the generators' present state, which is put back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def draws(model: nn.Module, x: Tensor) -> bool:
    """Whether a pass of the model, in the mode it is in, takes from torch's generators."""
    with torch.no_grad(), untouched(model, x.device):
        before = _states(x.device)
        model(x)
        return any(not torch.equal(a, b) for a, b in zip(before, _states(x.device), strict=True))


def _states(device: torch.device) -> list[Tensor]:
    own = [torch.get_rng_state()]
    return [*own, torch.cuda.get_rng_state(device)] if device.type == "cuda" else own


def modes_of(module: nn.Module) -> dict[nn.Module, bool]:
    """Training flag of every module in it."""
    return {each: each.training for each in module.modules()}


@contextmanager
def in_modes(modes: Mapping[nn.Module, bool]) -> Iterator[None]:
    """Some modules with these training flags; their own are put back afterwards."""
    kept = [(module, module.training) for module in modes]
    try:
        for module, training in modes.items():
            module.training = training
        yield
    finally:
        for module, training in kept:
            module.training = training


@contextmanager
def evaluating(model: nn.Module, asked: bool = True) -> Iterator[None]:
    """Evaluation mode inside, if asked for; every module's own mode afterwards."""
    with in_modes(dict.fromkeys(model.modules(), False) if asked else modes_of(model)):
        yield


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
def untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Passes made inside for their own sake leave generators and buffers as they were."""
    with frozen_buffers(model), same_draws(device):
        yield


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
