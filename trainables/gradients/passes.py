"""Forward passes that are made for their own sake: they leave streams, buffers and modes as they were."""

from collections.abc import Iterator
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


@contextmanager
def measured_mode(model: nn.Module, eval_mode: bool) -> Iterator[None]:
    """Evaluation mode if asked for; every module's own flag is put back afterwards."""
    kept = [(module, module.training) for module in model.modules()]
    try:
        if eval_mode:
            model.eval()
        yield
    finally:
        for module, training in kept:
            module.training = training
