"""Per-example gradients of `torch.nn.Linear` on 2-D input.

With input x_i and output gradient d_i, the weight gradient of example i is the outer product
d_i x_i^T, so that its squared norm is ||d_i||^2 ||x_i||^2 and no row needs to be formed.
"""

from torch import Tensor, nn

from trainables.gradients.types import DenseRows, OuterRows, Rows


def refusal(module: nn.Linear) -> str | None:
    """Every Linear is supported."""
    del module
    return None


def input_refusal(x: Tensor) -> str | None:
    """Only 2-D input [N, I] is supported."""
    return None if x.dim() == 2 else f"input of shape {tuple(x.shape)}; expected [examples, features]"


def row_norms(x: Tensor) -> Tensor:
    """Squared norm of each row, in float64: [N, ...] -> [N]."""
    return x.flatten(1).norm(dim=1).double().square_()


def square_norms(module: nn.Linear, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    d_norms = row_norms(d)
    norms = {"weight": d_norms * row_norms(x)}
    if module.bias is not None:
        norms["bias"] = d_norms
    return norms


def sums(module: nn.Linear, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, per tensor, in the parameter's shape."""
    total = {"weight": d.t() @ x}
    if module.bias is not None:
        total["bias"] = d.sum(dim=0)
    return total


def rows(module: nn.Linear, name: str, x: Tensor, d: Tensor) -> Rows:
    """Rows of one tensor: factored for the weight, d itself for the bias."""
    del module
    return OuterRows(d, x) if name == "weight" else DenseRows(d)
