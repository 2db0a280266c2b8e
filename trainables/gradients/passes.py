"""Forward passes that are made for their own sake: they leave streams, buffers and modes as they were."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def same_draws(device: torch.device) -> Iterator[None]:
    """Passes made inside draw from the generators' present state, which is put back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """As `same_draws`; the model's buffers are put back too."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with same_draws(device):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


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
def measured_mode(model: nn.Module, eval_mode: bool) -> Iterator[None]:
    """Evaluation mode if asked for; every module's own flag is put back afterwards."""
    with in_modes(dict.fromkeys(model.modules(), False) if eval_mode else modes_of(model)):
        yield
