"""What each optimizer does to the parameters, in the operations and the order of `torch.optim`.

d: the direction of a step. It reaches `apply` without weight decay, except where the aggregator took the decay
into each batch gradient itself (`decay_first`): then `apply` is told that it is in already.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import sqrt

from torch import Tensor, tensor, zeros_like

from trainables.optim import Adam, AdamW, Sgd

Tensors = dict[str, Tensor]


class Optimizer(ABC):
    """Changes parameters in place; keeps state by name.

    weight_decay: lambda of the penalty lambda/2 ||w||^2, whose gradient is lambda w.
    """

    def __init__(self, weight_decay: float) -> None:
        self.weight_decay = weight_decay

    def decayed(self, parameters: Mapping[str, Tensor], gradients: Tensors) -> Tensors:
        """Each gradient plus weight_decay times its parameter; the gradients themselves without decay."""
        if self.weight_decay == 0:
            return gradients
        return {name: g.add(parameters[name].detach(), alpha=self.weight_decay) for name, g in gradients.items()}

    @abstractmethod
    def apply(self, parameters: Mapping[str, Tensor], direction: Tensors, lr: float, *, decay: bool) -> None:
        """One update at rate lr. decay: whether weight decay is still to be added."""

    def state(self) -> Tensors:
        """Tensors that a bit-exact resume needs."""
        return {}

    def load_state(self, state: Tensors) -> None:
        """Take back what `state` gave."""
        del state


class SgdOptimizer(Optimizer):
    """m <- momentum m + d, beginning at the first d; w <- w - lr m, or w - lr (d + momentum m) with nesterov."""

    def __init__(self, choice: Sgd) -> None:
        super().__init__(choice.weight_decay)
        self._momentum, self._nesterov = choice.momentum, choice.nesterov
        self._m: Tensors = {}

    def apply(self, parameters: Mapping[str, Tensor], direction: Tensors, lr: float, *, decay: bool) -> None:
        """One update."""
        steps = self.decayed(parameters, direction) if decay else direction
        if self._momentum:
            steps = {name: self._remembered(name, d) for name, d in steps.items()}
        for name, parameter in parameters.items():
            parameter.data.add_(steps[name], alpha=-lr)

    def _remembered(self, name: str, d: Tensor) -> Tensor:
        if name in self._m:
            self._m[name].mul_(self._momentum).add_(d)
        else:
            self._m[name] = d.clone()
        return d.add(self._m[name], alpha=self._momentum) if self._nesterov else self._m[name]

    def state(self) -> Tensors:
        """The momentum of each parameter."""
        return {name: m.cpu().clone() for name, m in self._m.items()}

    def load_state(self, state: Tensors) -> None:
        """Take back what `state` gave."""
        self._m = {name: m.clone() for name, m in state.items()}


class AdamOptimizer(Optimizer):
    """m <- beta1 m + (1 - beta1) d; v <- beta2 v + (1 - beta2) d^2; after t updates

    w <- w - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
    """

    def __init__(self, choice: Adam | AdamW) -> None:
        super().__init__(choice.weight_decay)
        self._beta1, self._beta2, self._eps = choice.beta1, choice.beta2, choice.eps
        self._updates = 0
        self._m: Tensors = {}
        self._v: Tensors = {}

    def apply(self, parameters: Mapping[str, Tensor], direction: Tensors, lr: float, *, decay: bool) -> None:
        """One update, weight decay in the direction."""
        self._descend(parameters, self.decayed(parameters, direction) if decay else direction, lr)

    def _descend(self, parameters: Mapping[str, Tensor], direction: Tensors, lr: float) -> None:
        self._updates += 1
        size = lr / (1 - self._beta1**self._updates)
        root = sqrt(1 - self._beta2**self._updates)
        for name, parameter in parameters.items():
            d = direction[name]
            m = self._m.setdefault(name, zeros_like(d)).lerp_(d, 1 - self._beta1)
            v = self._v.setdefault(name, zeros_like(d)).mul_(self._beta2).addcmul_(d, d, value=1 - self._beta2)
            parameter.data.addcdiv_(m, v.sqrt().div_(root).add_(self._eps), value=-size)

    def state(self) -> Tensors:
        """Both running means of each parameter, and how many updates they have seen."""
        kept = {f"m/{name}": m.cpu().clone() for name, m in self._m.items()}
        kept |= {f"v/{name}": v.cpu().clone() for name, v in self._v.items()}
        return {"updates": tensor(self._updates), **kept}

    def load_state(self, state: Tensors) -> None:
        """Take back what `state` gave."""
        self._updates = int(state["updates"])
        for kind, kept in (("m/", self._m), ("v/", self._v)):
            kept.clear()
            kept |= {key.removeprefix(kind): t.clone() for key, t in state.items() if key.startswith(kind)}


class AdamWOptimizer(AdamOptimizer):
    """As Adam, with w <- (1 - lr weight_decay) w before the step instead of decay in the direction."""

    def apply(self, parameters: Mapping[str, Tensor], direction: Tensors, lr: float, *, decay: bool) -> None:
        """One update, weight decay apart from the direction."""
        for parameter in parameters.values() if decay else ():
            parameter.data.mul_(1 - lr * self.weight_decay)
        self._descend(parameters, direction, lr)
