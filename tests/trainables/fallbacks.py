"""Small problems with layers that `torch.func` measures, by running a module that encloses their use again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations

from tests.trainables import fallback_nets as nets
from tests.trainables.problems import CE, Case, problem


def _with_out(size: int, forward: Callable, **parts: Any) -> Callable[[], nn.Module]:
    return lambda: nets.Net(forward, out=nn.Linear(size, 3), **{name: make() for name, make in parts.items()})


def _flat(*layers: Callable[[], nn.Module], size: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*(make() for make in layers), nn.Flatten(), nn.Tanh(), nn.Linear(size, 3))


def _case(says: str, build: Callable, shape: tuple[int, ...], *, n: int = 5, **through: str) -> Case:
    return Case(says, partial(problem, build, shape, 3, n, CE), {k.replace("__", "."): v for k, v in through.items()})


_BLOCK = "encoder.layers.encoder_layer_{}.self_attention"

FALLBACKS: dict[str, Case] = {
    "held by the model": Case(
        "a parameter that the model itself holds",
        partial(
            problem,
            lambda: nets.Net(lambda net, x: net.fc(x.flatten(1)) * net.gain, fc=nn.Linear(6, 3), gain=torch.randn(3)),
            (2, 3),
            3,
            5,
            CE,
        ),
        {"(root)": "(root)"},
    ),
    "layer scale": _case(
        "a vector of a module with tuple output",
        _with_out(6, nets.scale, scaled=lambda: nets.Scaled(6)),
        (2, 3),
        scaled="scaled",
    ),
    "output not used": _case(
        "one of two outputs does not reach the loss",
        _with_out(6, nets.scale_alone, scaled=lambda: nets.Scaled(6)),
        (2, 3),
        scaled="scaled",
    ),
    "outputs made of each other": _case(
        "the caller is run, as outputs depend on each other",
        _with_out(6, nets.two_outputs, two=nets.TwoOutputs),
        (2, 3),
        two="(root)",
    ),
    "bilinear": _case(
        "Bilinear, and a vector that its caller reads too",
        _with_out(4, nets.lend, bilinear=lambda: nn.Bilinear(6, 2, 4), fc=lambda: nn.Linear(6, 2)),
        (2, 3),
        bilinear="(root)",
    ),
    "multi-head attention": _case(
        "MultiheadAttention, batch first",
        _with_out(6, nets.attend, attention=lambda: nn.MultiheadAttention(6, 2, batch_first=True)),
        (4, 6),
        attention="attention",
        attention__out_proj="attention",
    ),
    "multi-head attention, positions first": _case(
        "MultiheadAttention with the examples on the second axis: its caller is run",
        _with_out(6, nets.attend_transposed, attention=lambda: nn.MultiheadAttention(6, 2)),
        (4, 6),
        attention="(root)",
        attention__out_proj="(root)",
    ),
    "transformer encoder layer": _case(
        "TransformerEncoderLayer without dropout",
        _flat(lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), size=12),
        (3, 4),
        **{"0__self_attn": "0.self_attn", "0__self_attn__out_proj": "0.self_attn"},
    ),
    "functional use": _case(
        "a Linear weight that its caller uses as well",
        _with_out(6, nets.reuse, fc=lambda: nn.Linear(6, 6)),
        (2, 3),
        fc="(root)",
    ),
    "tied weights": _case("a weight shared by two Linear layers", nets.tied, (2, 3), **{"1": "(root)"}),
    "tied to the token table": Case(
        "an Embedding that gives the output weights, and positions looked up once for all examples",
        partial(
            problem,
            lambda: nets.Net(
                nets.tie_tokens, table=nn.Embedding(5, 4), positions=nn.Embedding(6, 4), fc=nn.Linear(4, 4)
            ),
            (2, 3),
            3,
            5,
            CE,
        ),
        {"table": "(root)", "positions": "(root)"},
    ),
    "examples folded into positions": Case(
        "Linear on [examples x positions, features]",
        partial(problem, lambda: nets.Net(nets.fold, fc=nn.Linear(4, 3)), (3, 4), 3, 5, CE),
        {"fc": "(root)"},
    ),
    "examples on the second axis": Case(
        "Linear on [positions, examples, features], as many positions as examples",
        partial(problem, lambda: nets.Net(nets.second_axis, fc=nn.Linear(4, 3)), (5, 4), 3, 5, CE),
        {"fc": "(root)"},
    ),
    "input by keyword": _case(
        "Linear called with a keyword",
        _with_out(4, lambda net, x: net.out(net.fc(input=x.flatten(1)).tanh()), fc=lambda: nn.Linear(6, 4)),
        (2, 3),
        fc="fc",
    ),
    "called through forward": _case(
        "Linear called without its hooks: its caller is run",
        _with_out(4, lambda net, x: net.out(net.fc.forward(x.flatten(1)).tanh()), fc=lambda: nn.Linear(6, 4)),
        (2, 3),
        fc="(root)",
    ),
    "subclass of a layer": _case(
        "a subclass of Linear", _flat(nn.Flatten, lambda: nets.Mine(6, 4), size=4), (2, 3), **{"1": "1"}
    ),
    "weight norm": _case(
        "a reparametrised Linear",
        _flat(nn.Flatten, lambda: parametrizations.weight_norm(nn.Linear(6, 4)), size=4),
        (2, 3),
        **{"1": "1", "1__parametrizations__weight": "1"},
    ),
    "transposed convolution": _case(
        "ConvTranspose2d", _flat(lambda: nn.ConvTranspose2d(1, 2, 2), size=24), (1, 2, 3), **{"0": "0"}
    ),
    "three axes": _case("Conv3d", _flat(lambda: nn.Conv3d(1, 2, 2), size=8), (1, 3, 3, 2), **{"0": "0"}),
    "instance norm": _case(
        "InstanceNorm2d", _flat(lambda: nn.InstanceNorm2d(2, affine=True), size=12), (2, 2, 3), **{"0": "0"}
    ),
    "called several times": _case(
        "a cell of a recurrence, step by step", _with_out(4, nets.steps, cell=nets.ByHand), (4, 3), cell="cell"
    ),
    "changes its input": _case(
        "a module that changes its own input",
        _with_out(6, lambda net, x: net.out(net.change(x.flatten(1) * 1.0)), change=nets.InPlace),
        (2, 3),
        change="change",
    ),
    "told the number of examples": _case(
        "a module that gets the size of the batch: its caller is run",
        _with_out(6, lambda net, x: net.out((net.token(len(x)) * x.flatten(1)).tanh()), token=nets.Expanded),
        (2, 3),
        token="(root)",
    ),
    "autograd function": _case(
        "a parameter that only an autograd function sees", _flat(nn.Flatten, nets.Tripled, size=6), (2, 3), **{"1": "1"}
    ),
    "batch norm inside": Case(
        "a held vector around BatchNorm1d",
        partial(problem, nets.batch_normed, (2, 3), 3, 5, CE),
        {"(root)": "(root)"},
        eval_mode=True,
    ),
    "vision transformer": Case(
        "torchvision's vit, tiny: class token, positions, attention",
        partial(problem, nets.vit, (3, 32, 32), 3, 3, CE),
        {"(root)": "(root)", "encoder": "encoder"}
        | {name + end: name for k in (0, 1) for name in [_BLOCK.format(k)] for end in ("", ".out_proj")},
    ),
    "convnext": Case(
        "torchvision's convnext, tiny: layer scale, a subclass of LayerNorm",
        partial(problem, nets.convnext, (3, 32, 32), 3, 3, CE),
        {name: name for name in ("features.0.1", "features.1.0", "features.2.0", "features.3.0", "classifier.0")},
    ),
    "swin": Case(
        "torchvision's swin, tiny: shifted windows, position biases",
        partial(problem, nets.swin, (3, 16, 16), 3, 3, CE),
        {f"features.{k}.0.attn{end}": f"features.{k}.0.attn" for k in (1, 3) for end in ("", ".qkv", ".proj")},
    ),
}
