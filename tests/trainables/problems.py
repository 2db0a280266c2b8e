"""A table of small problems, every supported layer among them: a model, a batch and its loss."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from trainables.losses import LOSSES
from trainables.losses.functions import cross_entropy, squared_error
from trainables.models import MODELS
from trainables.registry import load

CE = partial(cross_entropy, LOSSES["cross-entropy"].params(name="cross-entropy"))
SE = partial(squared_error, LOSSES["squared-error"].params(name="squared-error"))


def mlp(widths: tuple[int, ...] = (7, 5), bias: bool = True) -> nn.Module:
    return load(MODELS["mlp"])(MODELS["mlp"].params(name="mlp", widths=widths, bias=bias), (1, 4, 3), 4)


def lenet() -> nn.Module:
    return load(MODELS["lenet"])(MODELS["lenet"].params(name="lenet"), (1, 12, 14), 4)


def strided() -> nn.Module:
    """Strides, dilation, padding, missing biases and an in-place activation."""
    return nn.Sequential(
        OrderedDict(
            a=nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), bias=False),
            relu=nn.ReLU(inplace=True),
            b=nn.Conv2d(3, 4, 2, padding=1),
            tanh=nn.Tanh(),
            flatten=nn.Flatten(),
            out=nn.Linear(4 * 6 * 6, 3, bias=False),
        )
    )


def sequence() -> nn.Module:
    """Linear layers and normalisations on three and four axes."""
    return nn.Sequential(
        nn.Linear(5, 6),
        nn.LayerNorm(6),
        nn.Tanh(),
        nn.Linear(6, 4, bias=False),
        nn.LayerNorm((3, 4), bias=False),
        nn.RMSNorm(4),
        nn.Flatten(2),
        nn.Linear(12, 3),
        nn.RMSNorm((2, 3)),
        nn.Flatten(),
        nn.LayerNorm(6),
        nn.Linear(6, 3),
    )


def padded(mode: str) -> nn.Module:
    """Groups and a padding mode, with uneven paddings."""
    return nn.Sequential(
        nn.Conv2d(4, 6, (3, 2), padding=(2, 1), padding_mode=mode, groups=2, stride=(1, 2)),
        nn.Tanh(),
        nn.Conv2d(6, 6, (2, 3), padding="same", padding_mode=mode, groups=6, dilation=(1, 2), bias=False),
        nn.Tanh(),
        nn.Conv2d(6, 3, 2, padding="valid", padding_mode=mode),
        nn.Flatten(),
        nn.AdaptiveAvgPool1d(3),
    )


def one_axis(mode: str) -> nn.Module:
    """Conv1d with groups, stride, dilation and a padding mode."""
    return nn.Sequential(
        nn.Conv1d(4, 6, 3, padding=2, padding_mode=mode, groups=2, stride=2),
        nn.Tanh(),
        nn.Conv1d(6, 4, 2, padding="same", padding_mode=mode, dilation=3, bias=False),
        nn.Tanh(),
        nn.Conv1d(4, 3, 2),
        nn.Flatten(),
        nn.AdaptiveAvgPool1d(3),
    )


def group_normed() -> nn.Module:
    """Group normalisation on four and two axes, its output changed in place."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3),
        nn.GroupNorm(3, 6),
        nn.ReLU(inplace=True),
        nn.GroupNorm(1, 6, affine=False),
        nn.Flatten(),
        nn.Linear(6 * 6, 8),
        nn.GroupNorm(2, 8),
        nn.Linear(8, 3),
    )


class Tokens(nn.Module):
    """Tokens made of the input's values (so that they repeat), padding, positions, and the same table twice."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(5, 4, padding_idx=0), nn.Embedding(6, 4)
        self.out, self.twice = nn.Linear(4, 3), twice

    def forward(self, x: Tensor) -> Tensor:
        tokens = (x.flatten(1).abs() * 2).long().clamp_max(4)
        positions = torch.arange(tokens.shape[1]).expand(len(x), -1)
        found = self.token(tokens) * self.position(positions).tanh()
        if self.twice:
            found = found + self.token(tokens.view(len(x), 2, 3)).flatten(1, 2).flip(1).sin()
        return self.out(found).tanh().sum(1)


class Recurrent(nn.Module):
    """Every kind of layer used several times, on inputs of several shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.GroupNorm(1, 2)
        self.mix, self.out = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x).tanh())
        x = self.norm(self.conv(x[:, :, 1:]).tanh())
        x = self.mix(self.mix(x).tanh())
        return self.out(self.mix(x.mean((1, 2))).tanh())


Problem = tuple[nn.Module, Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]


def _problem(build: Callable[[], nn.Module], shape: tuple[int, ...], classes: int, n: int, loss: Callable) -> Problem:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        return build(), torch.randn(n, *shape), torch.randint(classes, (n,)), loss


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "mlp": lambda: _problem(mlp, (1, 4, 3), 4, 6, CE),
    "mlp-no-bias": lambda: _problem(lambda: mlp((3,), bias=False), (1, 4, 3), 4, 5, SE),
    "linear": lambda: _problem(lambda: mlp(()), (1, 4, 3), 4, 1, CE),
    "lenet": lambda: _problem(lenet, (1, 12, 14), 4, 9, CE),
    "sequence": lambda: _problem(sequence, (2, 3, 5), 3, 5, CE),
    **{
        f"padded {mode}": partial(_problem, partial(padded, mode), (4, 6, 7), 3, 4, CE)
        for mode in ("zeros", "reflect", "replicate", "circular")
    },
    **{
        f"one axis {mode}": partial(_problem, partial(one_axis, mode), (4, 11), 3, 4, CE)
        for mode in ("zeros", "reflect", "replicate", "circular")
    },
    "group norm": lambda: _problem(group_normed, (2, 5, 4), 3, 5, CE),
    "tokens": lambda: _problem(lambda: Tokens(twice=False), (2, 3), 3, 5, CE),
    "tokens twice": lambda: _problem(lambda: Tokens(twice=True), (2, 3), 3, 5, CE),
    "used several times": lambda: _problem(Recurrent, (2, 5, 6), 3, 5, CE),
    "strided": lambda: _problem(strided, (2, 9, 7), 3, 4, CE),
}
