"""Mean gradients of groups of a batch from one recorded pass: the weight gradient is taken of each group by itself.

Mean gradients of one parameter exist at a time. Those of a Linear layer go into memory that is used again at the next
step: fresh memory costs as much as the products that are written to it.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from trainables.gradients.parts import Part
from trainables.gradients.types import Groups
from trainables.gradients.uses import RuledPart

Reused = dict[tuple[int, ...], Tensor]
"""Memory for the mean gradients of several groups, by their shape [G, *parameter shape]."""


class FormedMeans(Groups):
    """Mean gradients of groups, formed when they are asked for, from the parts of a record.

    groups: of examples; scale: of the parts' gradients to those of single examples; memory: used again and again.
    """

    def __init__(self, parts: Sequence[Part], groups: Sequence[slice], scale: float, memory: Reused) -> None:
        self._parts, self._groups = parts, groups
        self._factors = [scale / (group.stop - group.start) for group in groups]
        self._memory = memory

    def tensors(self) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """Part by part."""
        for part in self._parts:
            pair = part.outer if isinstance(part, RuledPart) else None
            if pair is None:
                yield from self._summed(part)
            else:
                yield from self._products(part, *pair)

    def _summed(self, part: Part) -> Iterator[tuple[str, Sequence[Tensor]]]:
        sums = [part.sums(group) for group in self._groups]
        for name in part.parameters:
            yield name, [total[name] * factor for total, factor in zip(sums, self._factors, strict=True)]

    def _products(self, part: Part, x: Tensor, d: Tensor) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """Of a Linear layer on input [N, I]; means are taken of the output gradients, which are fewer."""
        scaled = [d[group] * factor for group, factor in zip(self._groups, self._factors, strict=True)]
        for name, parameter in part.parameters.items():
            if parameter.dim() == 1:
                yield name, [each.sum(dim=0) for each in scaled]
                continue
            shape = (len(scaled), *parameter.shape)
            if shape not in self._memory or self._memory[shape].dtype != d.dtype:
                self._memory[shape] = d.new_empty(shape)
            means = self._memory[shape]
            for mean, each, group in zip(means, scaled, self._groups, strict=True):
                torch.mm(each.t(), x[group], out=mean)
            yield name, list(means)


SMALL = 2**14
"""Numbers in the outputs of an example's layers, below which a batch of some hundred examples fits the caches."""


def together(model: nn.Module, x: Tensor) -> bool:
    """Whether one pass for all groups is cheaper than a pass for each, on x [N, ...].

    It is where most multiplications of the model are those of Linear layers on input without positions, which are
    bound by the memory of their weights, and where layers are so small that calling them costs more than what they
    do. Larger convolutions and layers with positions are as fast on a part of the batch, which fits the caches better.
    """
    counts, numbers = {True: 0, False: 0}, 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal numbers
        weights = [each for each in module.parameters(recurse=False) if each.dim() > 1]
        flat = isinstance(module, nn.Linear) and inputs[0].dim() == 2
        size = output.numel() // len(output) if isinstance(output, Tensor) else 1
        numbers += size
        for weight in weights:
            counts[flat] += weight.numel() * max(1, size // len(weight))

    handles = [each.register_forward_hook(count) for each in model.modules() if list(each.parameters(recurse=False))]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return counts[True] > counts[False] or numbers < SMALL
