"""The four networks of the benchmark, with fixed weights, and batches of noise for them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainables.models import MODELS
from trainables.registry import load

Shape = tuple[int, ...]


def _registered(name: str, shape: Shape, **parameters: Any) -> tuple[nn.Module, Shape]:
    entry = MODELS[name]
    return load(entry)(entry.params(name=name, **parameters), shape, 10), shape


def mlp() -> tuple[nn.Module, Shape]:
    """784-512-512-10."""
    return _registered("mlp", (1, 28, 28), widths=(512, 512))


def lenet() -> tuple[nn.Module, Shape]:
    """LeNet-5 with ReLU and max pooling."""
    return _registered("lenet", (1, 28, 28))


def resnet() -> tuple[nn.Module, Shape]:
    """ResNet-18 of width 16 with group normalisation."""
    return _registered("resnet18", (3, 32, 32), width=16)


def vit() -> tuple[nn.Module, Shape]:
    """Vision transformer: 64 tokens, dim 128, depth 4, 4 heads."""
    return _registered("vit", (3, 32, 32), dim=128, depth=4, heads=4, patch=4)


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Shape]]] = {
    "mlp 784-512-512-10": mlp,
    "lenet": lenet,
    "resnet-18-gn, width 16": resnet,
    "vit, dim 128, depth 4": vit,
}


def network(name: str, device: str = "cpu") -> nn.Module:
    """One of the networks; the same weights every time."""
    torch.manual_seed(0)
    return NETWORKS[name]()[0].to(device)


def batch(name: str, size: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Inputs of noise and random labels."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, *NETWORKS[name]()[1], generator=generator)
    return x.to(device), torch.randint(10, (size,), generator=generator).to(device)
