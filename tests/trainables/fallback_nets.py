"""Networks with layers that have no rule: what they hold, and how they use it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer


class Net(nn.Module):
    """Named parts, and a function of them and of the input."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)
        self.run = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


class Scaled(nn.Module):
    """A vector held by a module below the root; takes a flag by keyword and gives a tuple with None."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(size))

    def forward(self, x: Tensor, *, shifted: bool = False) -> tuple[Tensor, None, Tensor]:
        return x * self.scale + shifted, None, (x * self.scale.sin()).sum(-1)


class InPlace(nn.Module):
    """Changes its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2.0).tanh() * self.scale


class Expanded(nn.Module):
    """Rows for a number of examples that the caller tells: only the caller can be run on one example."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(6))

    def forward(self, count: int) -> Tensor:
        return self.token.expand(count, -1)


class TwoOutputs(nn.Module):
    """Gives a tensor and another made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = (x @ self.mix).tanh()
        return hidden, hidden.square()


class Triple(torch.autograd.Function):
    """A function that torch functions do not see: 3 x w."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        return 3 * x * w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return 3 * d * w, (3 * d * x).sum_to_size(w.shape)


class Tripled(nn.Module):
    """Uses its parameter in an autograd function alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return Triple.apply(x, self.weight)


class Mine(nn.Linear):
    """Not what its base class computes."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sin() * self.bias


class ByHand(nn.Module):
    """A recurrent cell, called step by step with its own state."""

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.kept = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return (x @ self.taken + state @ self.kept).tanh()


def steps(net: Any, x: Tensor) -> Tensor:
    state = x.new_zeros(len(x), 4)
    for t in range(x.shape[1]):
        state = net.cell(x[:, t], state)
    return net.out(state)


def attend(net: Any, x: Tensor) -> Tensor:
    mixed, _ = net.attention(x, x, x, need_weights=False)
    return net.out(mixed.mean(1))


def attend_transposed(net: Any, x: Tensor) -> Tensor:
    x = x.transpose(0, 1)
    return net.out(net.attention(x, x, x)[0].mean(0))


def scale(net: Any, x: Tensor) -> Tensor:
    one, _, other = net.scaled(x.flatten(1), shifted=True)
    return net.out(one.tanh()) * other[:, None]


def scale_alone(net: Any, x: Tensor) -> Tensor:
    return net.out(net.scaled(x.flatten(1))[0].tanh())


def two_outputs(net: Any, x: Tensor) -> Tensor:
    hidden, square = net.two(x.flatten(1))
    return net.out(hidden + square)


def reuse(net: Any, x: Tensor) -> Tensor:
    return net.out(functional.linear(net.fc(x.flatten(1)).tanh(), net.fc.weight))


def lend(net: Any, x: Tensor) -> Tensor:
    return net.out(net.bilinear(x.flatten(1), net.fc(x.flatten(1)) * net.bilinear.bias.sum()))


def tied() -> nn.Module:
    one, two = nn.Linear(6, 6), nn.Linear(6, 6)
    two.weight = one.weight
    return nn.Sequential(nn.Flatten(), one, nn.Tanh(), two, nn.Tanh(), nn.Linear(6, 3))


def tie_tokens(net: Any, x: Tensor) -> Tensor:
    tokens = (x.flatten(1).abs() * 2).long().clamp_max(4)
    hidden = net.table(tokens) + net.positions(torch.arange(tokens.shape[1]))
    return functional.linear(net.fc(hidden).tanh().mean(1), net.table.weight)[:, :3]


def fold(net: Any, x: Tensor) -> Tensor:
    return net.fc(x.flatten(0, 1)).tanh().view(len(x), x.shape[1], 3).sum(1)


def second_axis(net: Any, x: Tensor) -> Tensor:
    return net.fc(x.transpose(0, 1)).tanh().sum(0)


def vit() -> nn.Module:
    model = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=3
    )
    nn.init.normal_(model.heads.head.weight)
    nn.init.normal_(model.class_token)
    return model


def convnext() -> nn.Module:
    return ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], layer_scale=0.1, num_classes=3)


def swin() -> nn.Module:
    return SwinTransformer([2, 2], 8, [1, 1], [2, 2], [2, 2], stochastic_depth_prob=0.0, num_classes=3)


def normed(net: Any, x: Tensor) -> Tensor:
    return net.out(net.norm(x.flatten(1) * net.gain).tanh())


def batch_normed() -> nn.Module:
    model = Net(normed, gain=torch.randn(6), norm=nn.BatchNorm1d(6), out=nn.Linear(6, 3))
    model(torch.randn(7, 6) + 1)
    return model.eval()
