"""Per-example losses and predictions; never reduced, so that every gradient is that of one example."""

from torch import Tensor
from torch.nn import functional

from trainables.losses import CrossEntropy, SmoothedCrossEntropy, SquaredError


def cross_entropy(choice: CrossEntropy, outputs: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(outputs)[label]: outputs [N, C], labels [N] -> [N], in nats."""
    del choice
    return functional.cross_entropy(outputs, labels, reduction="none")


def smoothed_cross_entropy(choice: SmoothedCrossEntropy, outputs: Tensor, labels: Tensor) -> Tensor:
    """-(1 - s) log p[label] - s/C sum_c log p[c], p = softmax(outputs), s = smoothing: [N, C], [N] -> [N]."""
    return functional.cross_entropy(outputs, labels, reduction="none", label_smoothing=choice.smoothing)


def squared_error(choice: SquaredError, outputs: Tensor, labels: Tensor) -> Tensor:
    """1/2 ||outputs - target||^2 -> [N]; the target is one-hot, or 2 label - 1 for a single output."""
    del choice
    if outputs.shape[1] == 1:
        target = (2 * labels - 1).to(outputs.dtype).unsqueeze(1)
    else:
        target = functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    return 0.5 * (outputs - target).square().sum(dim=1)


def predictions(outputs: Tensor) -> Tensor:
    """Predicted class [N]: the largest output, or the sign of a single one (0 counts as no class, -1)."""
    if outputs.shape[1] == 1:
        sign = outputs[:, 0].sign()
        return ((sign + 1) / 2).where(sign != 0, -1.0).long()
    return outputs.argmax(dim=1)
