"""A table of small problems: a model, a batch and its loss."""

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
    "strided": lambda: _problem(strided, (2, 9, 7), 3, 4, CE),
}
