"""What the rules of normalisations share: parameters so few that their rows are formed at once.

A normalisation computes weight * h + bias, h being the normalised input; with output gradient d the weight
gradient of example i is the sum over its positions of d_i h_i, the bias gradient that of d_i.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from trainables.gradients.reductions import row_norms
from trainables.gradients.types import DenseRows, Gradient, Rows


class AffineRule(ABC):
    """A rule made of two things: the normalised input, and the sum over positions."""

    def refusal(self, module: nn.Module) -> str | None:
        """Every layer of the type is supported."""
        del module
        return None

    def input_refusal(self, x: Tensor) -> str | None:
        """Only input with an axis of examples is supported."""
        return None if x.dim() >= 2 else f"input of shape {tuple(x.shape)}; expected an axis of examples first"

    @abstractmethod
    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """The input as normalised by the layer, before weight and bias; in the shape of x."""

    @abstractmethod
    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """Sum of values, in the shape of x, over each example's positions: [N, *parameter shape]."""

    def both(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Rows of weight and bias, [N, *parameter shape]."""
        product = self.over_positions(module, d * self.normalised(module, x))
        return {"weight": product, "bias": self.over_positions(module, d)}

    def _rows(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        own, found = [name for name, _ in module.named_parameters(recurse=False)], self.both(module, x, d)
        return {name: found[name] for name in own}

    def square_norms(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Squared norm of each example's gradient, per tensor: [N], float64."""
        return {name: row_norms(rows) for name, rows in self._rows(module, x, d).items()}

    def sums(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Sum of the examples' gradients, per tensor, in the parameter's shape."""
        return {name: rows.sum(dim=0) for name, rows in self._rows(module, x, d).items()}

    def gradient(self, module: nn.Module, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
        """Both, from the same rows."""
        found = self._rows(module, x, d)
        own = {name: row_norms(rows) for name, rows in found.items()} if norms else {}
        return Gradient({name: rows.sum(dim=0) for name, rows in found.items()}, own)

    def rows(self, module: nn.Module, name: str, x: Tensor, d: Tensor) -> Rows:
        """Rows of one tensor, [N, *parameter shape]."""
        return DenseRows(self._rows(module, x, d)[name])
