"""Per-example gradients of `torch.nn.Embedding`.

Input: tokens [N, ...]; d [N, ..., D]. Row v of example i's gradient is the sum of d over the places where the
example has token v, so that a repeated token counts with the norm of its sum, not the sum of its norms. The
padding token has no gradient.
"""

import torch
from torch import Tensor, nn

from trainables.gradients.types import DenseRows, Gradient, Rows


def refusal(module: nn.Embedding) -> str | None:
    """Why a layer has no per-example rule here, or None."""
    if module.max_norm is not None:
        return f"max_norm={module.max_norm}, which changes the weights while they are read; expected None"
    if module.scale_grad_by_freq:
        return "scale_grad_by_freq=True, which scales an example's gradient by the batch's counts; expected False"
    return "sparse=True; expected False" if module.sparse else None


def input_refusal(x: Tensor) -> str | None:
    """Only tokens with an axis of examples are supported."""
    return None if x.dim() >= 1 else "a single token; expected [examples, ...]"


def _kept(module: nn.Embedding, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Example [M], token [M] and gradient [M, D] of every place that is not padding."""
    examples = torch.arange(len(x), device=x.device).repeat_interleave(x[0].numel() if len(x) else 0)
    tokens, flat = x.reshape(-1), d.reshape(-1, module.embedding_dim)
    if module.padding_idx is None:
        return examples, tokens, flat
    kept = tokens != module.padding_idx
    return examples[kept], tokens[kept], flat[kept]


def square_norms(module: nn.Embedding, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient: [N], float64; one sum of D numbers per (example, token) pair."""
    examples, tokens, flat = _kept(module, x, d)
    pairs, place = torch.unique(examples * module.num_embeddings + tokens, return_inverse=True)
    sums_of_pairs = d.new_zeros(len(pairs), module.embedding_dim).index_add_(0, place, flat)
    norms = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    each = sums_of_pairs.double().square().sum(dim=1)
    return {"weight": norms.index_add_(0, pairs // module.num_embeddings, each)}


def gradient(module: nn.Embedding, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
    """Sum of the examples' gradients and, if asked for, their squared norms."""
    return Gradient(sums(module, x, d), square_norms(module, x, d) if norms else {})


def sums(module: nn.Embedding, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, [V, D]."""
    _, tokens, flat = _kept(module, x, d)
    return {"weight": d.new_zeros(module.weight.shape).index_add_(0, tokens, flat)}


def rows(module: nn.Embedding, name: str, x: Tensor, d: Tensor) -> Rows:
    """Dense rows, [N, V, D]."""
    del name
    examples, tokens, flat = _kept(module, x, d)
    whole = d.new_zeros(len(x) * module.num_embeddings, module.embedding_dim)
    whole.index_add_(0, examples * module.num_embeddings + tokens, flat)
    return DenseRows(whole.view(len(x), *module.weight.shape))
