"""The exponential average of a model's weights: a point beside the training path, off the bounce of single steps."""

import torch
from torch import Tensor, nn


class Average:
    """w_ema <- d w_ema + (1 - d) w after each update, from w_ema = w at step 0.

    Running statistics are averaged with the weights, integer buffers taken as they are. decay: d in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        self.weights: dict[str, Tensor] = {name: tensor.detach().clone() for name, tensor in self._own.items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights as they are now."""
        for name, average in self.weights.items():
            if average.is_floating_point():
                average.lerp_(self._own[name].detach(), 1.0 - self._decay)
            else:
                average.copy_(self._own[name])

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again at the weights as they are now."""
        for name, average in self.weights.items():
            average.copy_(self._own[name])

    def state(self) -> dict[str, Tensor]:
        """What a resume needs."""
        return {name: tensor.cpu().clone() for name, tensor in self.weights.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for name, tensor in state.items():
            self.weights[name].copy_(tensor)
