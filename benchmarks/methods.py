"""The plain step and the ways to get per-example squared norms beside it; each is a function of one batch.

Every method but `plain` does the plain step, and takes the squared norm of each example's gradient per
parameter tensor, the squared norm of the mean gradient per tensor, and alpha per tensor and overall as floats.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from trainables.estimators import alpha
from trainables.gradients.engine import Engine, square_norm

Step = Callable[[Tensor, Tensor], None]
RATE = 1e-4


def _alphas(norms: dict[str, Tensor], means: dict[str, Tensor], size: int) -> list[float | None]:
    q = {name: float(each.sum()) for name, each in norms.items()}
    s2 = {name: size**2 * square_norm(mean) for name, mean in means.items()}
    return [alpha(size, q[name], s2[name]) for name in q] + [alpha(size, sum(q.values()), sum(s2.values()))]


def plain(model: nn.Module) -> Step:
    """zero_grad, forward, mean cross-entropy, backward, SGD step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def exact(model: nn.Module) -> Step:
    """This project's `exact` engine."""
    optimizer, engine = torch.optim.SGD(model.parameters(), lr=RATE), Engine(model)

    def step(x: Tensor, y: Tensor) -> None:
        with engine.recording() as record:
            losses = functional.cross_entropy(model(x), y, reduction="none")
        mean = record.differentiate(losses, mean_gradient=True)
        assert mean is not None
        norms = {
            f"{layer}.{tensor}": each
            for layer, tensors in record.square_norms().items()
            for tensor, each in tensors.items()
        }
        _alphas(norms, mean.tensors, len(x))
        for name, parameter in engine.parameters.items():
            parameter.grad = mean.tensors[name]
        optimizer.step()

    return step


def opacus_ghost(model: nn.Module) -> Step:
    """Opacus' fast gradient clipping module, norms only."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    wrapped = GradSampleModuleFastGradientClipping(model, loss_reduction="mean", use_ghost_clipping=True)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        functional.cross_entropy(wrapped(x), y).backward()
        norms = {name: p._norm_sample.square() for name, p in model.named_parameters()}
        _alphas(norms, {name: p.grad for name, p in model.named_parameters()}, len(x))
        optimizer.step()

    return step


def backpack_l2(model: nn.Module) -> Step:
    """BackPACK's BatchL2Grad."""
    from backpack import backpack, extend
    from backpack.extensions import BatchL2Grad

    extended, loss = extend(model), extend(nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(extended.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with backpack(BatchL2Grad()):
            loss(extended(x), y).backward()
        norms = {name: p.batch_l2 * len(x) ** 2 for name, p in extended.named_parameters()}
        _alphas(norms, {name: p.grad for name, p in extended.named_parameters()}, len(x))
        optimizer.step()

    return step


def func_vmap(model: nn.Module) -> Step:
    """torch.func: vmap of grad over the batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def one(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, parameters, (x[None],)), y[None])

    rows_of = vmap(grad(one), in_dims=(None, 0, 0))

    def step(x: Tensor, y: Tensor) -> None:
        rows = rows_of({name: p.detach() for name, p in model.named_parameters()}, x, y)
        norms = {name: each.flatten(1).square().sum(1) for name, each in rows.items()}
        means = {name: each.mean(0) for name, each in rows.items()}
        _alphas(norms, means, len(x))
        for name, parameter in model.named_parameters():
            parameter.grad = means[name]
        optimizer.step()

    return step


METHODS: dict[str, Callable[[nn.Module], Step]] = {
    "exact": exact,
    "Opacus ghost": opacus_ghost,
    "BackPACK BatchL2Grad": backpack_l2,
    "torch.func vmap(grad)": func_vmap,
}


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    """784-512-512-10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    ), (1, 28, 28)


def lenet() -> tuple[nn.Module, tuple[int, ...]]:
    """LeNet-5 with ReLU and max pooling."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    ), (1, 28, 28)


MODELS = {"mlp 784-512-512-10": mlp, "lenet": lenet}


def steps(name: str, method: Callable[[nn.Module], Step]) -> Step:
    """A method on its own copy of a model with fixed weights."""
    torch.manual_seed(0)
    model, _ = MODELS[name]()
    return method(copy.deepcopy(model))
