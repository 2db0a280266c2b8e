"""Networks without an exact per-example gradient, and a word of the message that refuses each by name.

All get inputs [6, 1, 4, 3] and six labels of four classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainables.fallback_nets import Net


class Positional(nn.Module):
    """Adds a vector per position, then lets the examples change places with the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.randn(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.shift).transpose(0, 1)


class Hidden(torch.autograd.Function):
    """A function that cannot be mapped over examples."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return d * w, (d * x).sum(0)


def _change_input(net: Any, x: Tensor) -> Tensor:
    flat = x.flatten(1) * 1.0
    out = net.fc(flat)
    flat.mul_(2.0)
    return out


def _mix(net: Any, x: Tensor) -> Tensor:
    return net.fc(x.flatten(1) - x.flatten(1).mean(0))


def _discard(net: Any, x: Tensor) -> Tensor:
    net.idle(x.flatten(1))
    return net.fc(x.flatten(1))


def _recur(net: Any, x: Tensor) -> Tensor:
    return net.cell(x.flatten(1, 2))[0][:, -1]


def _branch(net: Any, x: Tensor) -> Tensor:
    flat = x.flatten(1) * net.gain
    return net.fc(flat if flat.sum() > 0 else -flat)


def _drop(net: Any, x: Tensor) -> Tensor:
    return net.fc(functional.dropout(x.flatten(1), 0.5, net.training) * net.gain)


def _always_drop(net: Any, x: Tensor) -> Tensor:
    return net.fc(functional.dropout(x.flatten(1), 0.5))


def _hide(net: Any, x: Tensor) -> Tensor:
    return net.fc(Hidden.apply(x.flatten(1), net.gain))


def _gained(forward: Callable[[Any, Tensor], Tensor], *inner: nn.Module) -> nn.Module:
    return Net(forward, fc=nn.Sequential(*inner, nn.Linear(12, 4)), gain=torch.randn(12))


def _flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *layers)


def _tokens(**options: Any) -> nn.Module:
    return Net(lambda net, x: net.table(x.flatten(1).long().clamp(0, 2)).sum(1), table=nn.Embedding(3, 4, **options))


@dataclass(frozen=True)
class Refused:
    """says: why, in one line; build: the network; named: what the message must hold."""

    says: str
    build: Callable[[], nn.Module]
    named: str
    eval_mode: bool = False


REFUSED: dict[str, Refused] = {
    "layer not used": Refused(
        "no forward pass uses it",
        lambda: Net(lambda net, x: net.fc(x.flatten(1)), fc=nn.Linear(12, 4), idle=nn.Linear(12, 4)),
        "'idle'",
    ),
    "output not used": Refused(
        "no loss depends on it", lambda: Net(_discard, fc=nn.Linear(12, 4), idle=nn.Linear(12, 4)), "'idle'"
    ),
    "parameter not used": Refused(
        "no forward pass uses it",
        lambda: Net(lambda net, x: net.fc(x.flatten(1)), fc=nn.Linear(12, 4), gain=torch.randn(12)),
        "'gain'",
    ),
    "examples that see each other": Refused(
        "the mean over the batch is subtracted", lambda: Net(_mix, fc=nn.Linear(12, 4)), "other examples"
    ),
    "input changed after its use": Refused(
        "the kept input is not what the layer saw", lambda: Net(_change_input, fc=nn.Linear(12, 4)), "'fc'"
    ),
    "batch norm": Refused(
        "batch statistics in training mode", lambda: _flat(nn.Linear(12, 4), nn.BatchNorm1d(4)), "'2' (BatchNorm1d)"
    ),
    "batch norm without parameters": Refused(
        "batch statistics in training mode", lambda: _flat(nn.BatchNorm1d(12, affine=False), nn.Linear(12, 4)), "'1'"
    ),
    "batch norm that tracks nothing": Refused(
        "batch statistics in evaluation mode",
        lambda: _flat(nn.BatchNorm1d(12, track_running_stats=False), nn.Linear(12, 4)),
        "track_running_stats",
        eval_mode=True,
    ),
    "instance norm that tracks": Refused(
        "the forward pass changes its buffers",
        lambda: nn.Sequential(nn.InstanceNorm2d(1, affine=True, track_running_stats=True), nn.Flatten()),
        "buffers",
    ),
    "spectral norm": Refused(
        "the forward pass changes its buffers",
        lambda: _flat(nn.utils.parametrizations.spectral_norm(nn.Linear(12, 4))),
        "buffers",
    ),
    "dropout in a module that is run again": Refused(
        "its masks would be drawn anew",
        lambda: _gained(lambda net, x: net.fc(x.flatten(1) * net.gain), nn.Dropout(0.5)),
        "'fc.0' (0.5)",
    ),
    "attention with dropout": Refused(
        "its masks would be drawn anew",
        lambda: nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(3, 1, 4, 0.1, batch_first=True)),
        "(0.1)",
    ),
    "functional dropout in a module that is run again": Refused(
        "its masks would be drawn anew", lambda: _gained(_drop), "random operation"
    ),
    "dropout in evaluation mode": Refused(
        "batches of it cannot be compared", lambda: Net(_always_drop, fc=nn.Linear(12, 4)), "in evaluation mode too"
    ),
    "recurrence": Refused(
        "torch.func cannot map its operation", lambda: Net(_recur, cell=nn.LSTM(3, 4, batch_first=True)), "(Net)"
    ),
    "control flow on values": Refused("torch.func cannot follow it", lambda: _gained(_branch), "control flow"),
    "plain autograd function": Refused("torch.func cannot map it", lambda: _gained(_hide), "setup_context"),
    "examples on the second axis of the model": Refused(
        "the model's own outputs do not begin with the axis of examples",
        lambda: nn.Sequential(nn.Flatten(1, 2), Positional(), nn.Flatten()),
        "first axis",
    ),
    "embedding with a largest norm": Refused("weights change while read", lambda: _tokens(max_norm=1.0), "max_norm"),
    "embedding scaled by counts": Refused(
        "counts are the batch's", lambda: _tokens(scale_grad_by_freq=True), "scale_grad_by_freq"
    ),
    "sparse embedding": Refused("sparse gradients", lambda: _tokens(sparse=True), "sparse=True"),
}
