"""Small problems of which every layer has a rule: a model, a batch and its loss."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
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


class FourMean(nn.Module):
    """tanh, then the mean over the axes between the examples and the last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh().flatten(1, -2).mean(1)


def _no_bias() -> nn.Module:
    return mlp((3,), bias=False)


def in_place() -> nn.Module:
    """Activations that change their input, after every kind of edge."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5), nn.ELU(inplace=True), nn.LayerNorm(5), nn.ReLU(inplace=True), nn.Linear(5, 3)
    )


def dropped() -> nn.Module:
    """Dropout before, between and after linear layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Dropout(0.1)
    )


class Attention(nn.Module):
    """Attention over positions made of linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(5, 4), nn.Linear(5, 4, bias=False)
        self.value, self.out = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(2)
        return self.out((weights @ self.value(x)).mean(1))


def frozen() -> nn.Module:
    """One layer frozen as a whole, another in part."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    model[1].requires_grad_(False)
    model[3].weight.requires_grad_(False)
    return model


def batch_normed(two: bool) -> nn.Module:
    """Batch normalisation with running statistics of its own, in evaluation mode."""
    layers = (
        [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.BatchNorm2d(4, affine=False), nn.Flatten()]
        if two
        else [nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Tanh(), nn.Flatten(), nn.LazyLinear(6), nn.BatchNorm1d(6)]
    )
    model = nn.Sequential(*layers, nn.LazyLinear(3))
    model(torch.randn(7, 2, *((5, 6) if two else (6,))) * 2 + 1)
    return model.eval()


Problem = tuple[nn.Module, Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]


@dataclass(frozen=True)
class Case:
    """A problem and what is said of it.

    says: one line. through: layer name -> name of the module that torch.func runs again; all others have a rule.
    eval_mode: measured in evaluation mode. draws: its passes draw masks.
    """

    says: str
    build: Callable[[], Problem]
    through: dict[str, str] = field(default_factory=dict)
    eval_mode: bool = False
    draws: bool = False


def problem(build: Callable[[], nn.Module], shape: tuple[int, ...], classes: int, n: int, loss: Callable) -> Problem:
    """The model and n random examples of a shape, from one fixed state of the generator."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        return build(), torch.randn(n, *shape), torch.randint(classes, (n,)), loss


def _case(says: str, build: Callable, shape: tuple[int, ...], *, n: int = 5, **kwargs) -> Case:
    return Case(says, partial(problem, build, shape, 3, n, CE), **kwargs)


PADDINGS = ("zeros", "reflect", "replicate", "circular")

RULED: dict[str, Case] = {
    "mlp": Case("Linear layers", lambda: problem(mlp, (1, 4, 3), 4, 6, CE)),
    "mlp-no-bias": Case("Linear without bias, squared error", lambda: problem(_no_bias, (1, 4, 3), 4, 5, SE)),
    "linear": Case("one Linear layer, a batch of one", lambda: problem(lambda: mlp(()), (1, 4, 3), 4, 1, CE)),
    "lenet": Case("Conv2d, max pooling, Linear", lambda: problem(lenet, (1, 12, 14), 4, 9, CE)),
    "sequence": _case("Linear, LayerNorm and RMSNorm with positions", sequence, (2, 3, 5)),
    "four axes": _case("Linear on four axes", lambda: nn.Sequential(nn.Linear(4, 3), FourMean()), (2, 3, 4)),
    **{
        f"padded {mode}": _case(f"Conv2d with groups, uneven padding, {mode}", partial(padded, mode), (4, 6, 7), n=4)
        for mode in PADDINGS
    },
    **{
        f"one axis {mode}": _case(f"Conv1d with groups, dilation, {mode}", partial(one_axis, mode), (4, 11), n=4)
        for mode in PADDINGS
    },
    "strided": _case("Conv2d with stride, dilation, no bias", strided, (2, 9, 7), n=4),
    "in-place activations": _case("outputs of layers changed in place", in_place, (2, 3)),
    "group norm": _case("GroupNorm on four and two axes", group_normed, (2, 5, 4)),
    "tokens": _case("Embedding with padding and repeated tokens", lambda: Tokens(twice=False), (2, 3)),
    "tokens twice": _case("an Embedding looked up twice", lambda: Tokens(twice=True), (2, 3)),
    "used several times": _case("Conv2d, GroupNorm and Linear used several times", Recurrent, (2, 5, 6)),
    "attention of linear layers": _case("query, key and value as Linear layers", Attention, (4, 5)),
    "frozen": _case("parameters that are frozen have no statistics", frozen, (2, 3)),
    "dropout": _case("dropout, with the masks of the training pass", dropped, (2, 3), draws=True),
    "batch norm 2d": _case(
        "BatchNorm2d with running statistics", lambda: batch_normed(True), (2, 5, 6), eval_mode=True
    ),
    "batch norm 1d": _case("BatchNorm1d with running statistics", lambda: batch_normed(False), (2, 6), eval_mode=True),
}
