"""Sizes of the models' layers, worked out from their parameters alone; what the cost model counts with.

Torch-free, so that a plan starts within a second; the tests hold every line against torch's own count of operations.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from trainables.models import MODELS
from trainables.spec import TrialSpec

UNKNOWN_MACS = 5.0e6
"""Multiply-adds of one example's forward pass in a model of which nothing is known."""

REUSE = 30.0
"""Times that an average weight is used for one image, in a model of which only the number of parameters is known."""


@dataclass(frozen=True)
class Layer:
    """One layer and one example: multiply-adds forward, trainable scalars, numbers that come out of it."""

    macs: float
    parameters: int
    outputs: int


def layers_of(spec: TrialSpec) -> list[Layer]:
    """Layers with parameters, in order. Of a model that is not in the table one layer stands for all."""
    facts = spec.dataset_facts
    table = _TABLE.get(spec.model.name)
    if table is not None:
        return list(table(spec.model, facts.shape, facts.classes))
    known = getattr(MODELS[spec.model.name], "facts", None) if spec.model.name in MODELS else None
    parameters = known.get("parameters") if isinstance(known, dict) else None
    if parameters is None:
        return [Layer(UNKNOWN_MACS, int(UNKNOWN_MACS / REUSE), int(UNKNOWN_MACS / REUSE))]
    return [Layer(parameters * (REUSE if len(facts.shape) == 3 else 1.0), parameters, parameters)]


def _linear(inputs: int, outputs: int, *, times: int = 1, bias: bool = True) -> Layer:
    return Layer(inputs * outputs * times, inputs * outputs + outputs * bias, outputs * times)


def _conv(inputs: int, outputs: int, kernel: int, positions: int, *, bias: bool = True) -> Layer:
    weights = inputs * outputs * kernel * kernel
    return Layer(weights * positions, weights + outputs * bias, outputs * positions)


def _norm(channels: int, positions: int) -> Layer:
    return Layer(0.0, 2 * channels, channels * positions)


def _mlp(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    for inputs, outputs in pairwise([prod(shape), *choice.widths, classes]):
        yield _linear(inputs, outputs, bias=choice.bias)


def _lenet(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    del choice
    channels, height, width = shape
    inner = [extent // 2 - 4 for extent in (height, width)]
    yield _conv(channels, 6, 5, height * width)
    yield _conv(6, 16, 5, inner[0] * inner[1])
    for inputs, outputs in pairwise([16 * (inner[0] // 2) * (inner[1] // 2), 120, 84, classes]):
        yield _linear(inputs, outputs)


def _cnn16(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    channels, height, width = shape
    for wide in (16, 32, 64):
        height, width = -(-height // 2), -(-width // 2)
        yield _conv(channels, wide, 3, height * width)
        if choice.norm != "none":
            yield _norm(wide, height * width)
        channels = wide
    yield _linear(channels * height * width, 128)
    yield _linear(128, classes)


def _alexnet(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    channels, height, width = shape
    w = choice.width
    for number, wide in enumerate((w, 3 * w, 6 * w, 4 * w, 4 * w), start=1):
        yield _conv(channels, wide, 5 if number == 1 else 3, height * width)
        if number in (1, 2, 5):
            height, width = height // 2, width // 2
        channels = wide
    for inputs, outputs in pairwise([channels * height * width, 16 * w, 16 * w, classes]):
        yield _linear(inputs, outputs)


def _vgg13(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    channels, height, width = shape
    w = choice.width
    for stage, wide in enumerate((w, 2 * w, 4 * w, 8 * w, 8 * w), start=1):
        yield _conv(channels, wide, 3, height * width)
        yield _conv(wide, wide, 3, height * width)
        channels = wide
        if stage < 5:
            height, width = height // 2, width // 2
    for inputs, outputs in pairwise([8 * w, 8 * w, 8 * w, classes]):
        yield _linear(inputs, outputs)


def _resnet18(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    channels, height, width = shape
    w, sides = choice.width, [height, width]
    if choice.stem == "imagenet":
        sides = [-(-side // 2) for side in sides]
    yield _conv(channels, w, 3 if choice.stem == "cifar" else 7, sides[0] * sides[1], bias=False)
    yield _norm(w, sides[0] * sides[1])
    if choice.stem == "imagenet":
        sides = [-(-side // 2) for side in sides]
    inputs = w
    for stage, wide in enumerate((w, 2 * w, 4 * w, 8 * w)):
        for block in range(2):
            shrinks = stage > 0 and block == 0
            sides = [-(-side // 2) for side in sides] if shrinks else sides
            positions = sides[0] * sides[1]
            yield from (_conv(inputs, wide, 3, positions, bias=False), _norm(wide, positions))
            yield from (_conv(wide, wide, 3, positions, bias=False), _norm(wide, positions))
            if shrinks:
                yield from (_conv(inputs, wide, 1, positions, bias=False), _norm(wide, positions))
            inputs = wide
    yield _linear(inputs, classes)


def _vit(choice: Any, shape: tuple[int, ...], classes: int) -> Iterator[Layer]:
    channels, height, width = shape
    d, tokens = choice.dim, (height // choice.patch) * (width // choice.patch)
    yield _conv(channels, d, choice.patch, tokens)
    yield Layer(0.0, tokens * d, tokens * d)
    for _ in range(choice.depth):
        yield _norm(d, tokens)
        mixing = 2 * tokens * tokens * d  # scores and weighted values belong to no layer; counted with the queries
        query = _linear(d, d, times=tokens)
        yield Layer(query.macs + mixing, query.parameters, query.outputs)
        yield _linear(d, d, times=tokens, bias=False)
        yield from (_linear(d, d, times=tokens), _linear(d, d, times=tokens), _norm(d, tokens))
        yield from (_linear(d, 4 * d, times=tokens), _linear(4 * d, d, times=tokens))
    yield _norm(d, tokens)
    yield _linear(d, classes)


_TABLE: dict[str, Callable[[Any, tuple[int, ...], int], Iterator[Layer]]] = {
    "mlp": _mlp,
    "lenet": _lenet,
    "cnn16": _cnn16,
    "alexnet": _alexnet,
    "vgg13": _vgg13,
    "resnet18": _resnet18,
    "vit": _vit,
}
