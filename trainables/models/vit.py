"""vit: a vision transformer (Dosovitskiy et al. 2021) for small images, mean pooling instead of a class token.

Layers: patches, positions, block1.norm1, block1.query, ..., norm, fc. Every parameter belongs to a layer with
a per-example rule: positions are an Embedding, attention is made of Linear layers. Keys have no bias: the
softmax over keys would not see it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.models.choices import Vit


class Block(nn.Module):
    """Attention over T tokens, then a hidden layer of 4 D units, both with pre-normalisation: [N, T, D] -> same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.value, self.mixed = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def _attention(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(D / heads)) V in each head, heads side by side."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query(x), self.key(x), self.value(x))
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[3])).softmax(dim=3)
        mixed: Tensor = self.mixed((weights @ value).transpose(1, 2).flatten(2))
        return mixed

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        x = x + self._attention(self.norm1(x))
        hidden: Tensor = self.fc2(functional.gelu(self.fc1(self.norm2(x))))
        return x + hidden


class VisionTransformer(nn.Module):
    """Patches to tokens, positions added, blocks, mean over tokens, outputs: [N, C, H, W] -> [N, outputs]."""

    def __init__(self, choice: Vit, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        channels, height, width = shape
        dim, patch = choice.dim, choice.patch
        self.patches = nn.Conv2d(channels, dim, patch, stride=patch)
        self.positions = nn.Embedding((height // patch) * (width // patch), dim)
        for number in range(1, choice.depth + 1):
            self.add_module(f"block{number}", Block(dim, choice.heads))
        self.norm, self.fc = nn.LayerNorm(dim), nn.Linear(dim, outputs)
        self._blocks = [f"block{number}" for number in range(1, choice.depth + 1)]

    def forward(self, x: Tensor) -> Tensor:
        """Outputs; positions are looked up for each example, so that each has a gradient of its own."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        places = torch.arange(tokens.shape[1], device=x.device).expand(len(x), -1)
        tokens = tokens + self.positions(places)
        for name in self._blocks:
            tokens = self.get_submodule(name)(tokens)
        outputs: Tensor = self.fc(self.norm(tokens).mean(dim=1))
        return outputs


def build(choice: Vit, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The transformer of a choice."""
    return VisionTransformer(choice, shape, outputs)
