"""The plain step and the ways to get per-example squared norms beside it; each is a function of one batch.

Every method but `plain` does the plain step, and takes the squared norm of each example's gradient per
parameter tensor, the squared norm of the mean gradient per tensor, and alpha per tensor and overall as floats.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from trainables.coherence import coherence
from trainables.estimators import alpha
from trainables.gradients.engine import Engine, square_norm

Step = Callable[[Tensor, Tensor], None]
Method = Callable[[nn.Module], Step]
RATE = 1e-4
EVERY = 10


def _alphas(norms: dict[str, Tensor], means: dict[str, Tensor], size: int) -> list[float | None]:
    q = dict(zip(norms, torch.stack(list(norms.values())).sum(dim=1).tolist(), strict=True))
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


def floor(model: nn.Module) -> Step:
    """The plain step and squared norms of the mean gradient alone, which every method takes."""
    own = plain(model)

    def step(x: Tensor, y: Tensor) -> None:
        own(x, y)
        for parameter in model.parameters():
            square_norm(parameter.grad)

    return step


def ours(model: nn.Module, *, fused: bool) -> Step:
    """This project's engine in one of its modes, per tensor like the others."""
    optimizer, engine = torch.optim.SGD(model.parameters(), lr=RATE), Engine(model, fused=fused)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with engine.recording() as record:
            losses = functional.cross_entropy(model(x), y, reduction="none")
        mean = record.differentiate(losses, mean_gradient=True, keep=False)
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


def every(model: nn.Module, *, fused: bool, each: int) -> Step:
    """`coherence` around the loop, measuring each k-th step: alpha per layer and overall."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    context = coherence(model, fused=fused, every=each)
    found = context.__enter__()  # for the whole of the process

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        measured = found.steps % each == 0
        found.backward(functional.cross_entropy(model(x), y, reduction="none"))
        optimizer.step()
        if measured:
            _ = [reading.alpha for reading in found.layers.values()], found.alpha

    step.context = context  # type: ignore[attr-defined]
    return step


def opacus_ghost(model: nn.Module) -> Step:
    """Opacus' fast gradient clipping module, norms only."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    for module in model.modules():
        if isinstance(module, nn.Embedding):  # whose norm sampler views its tokens, which may be an expanded row
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
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
    """BackPACK's BatchL2Grad; parameters of layers that it has no rule for are left out."""
    from backpack import backpack, extend
    from backpack.extensions import BatchL2Grad
    from backpack.extensions.backprop_extension import FAIL_SILENT

    extended, loss = extend(model), extend(nn.CrossEntropyLoss())
    extension = BatchL2Grad()
    extension._fail_mode = FAIL_SILENT  # the constructor does not take it
    optimizer = torch.optim.SGD(extended.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with backpack(extension):
            loss(extended(x), y).backward()
        known = {name: p for name, p in extended.named_parameters() if hasattr(p, "batch_l2")}
        norms = {name: p.batch_l2 * len(x) ** 2 for name, p in known.items()}
        _alphas(norms, {name: p.grad for name, p in known.items()}, len(x))
        optimizer.step()

    return step


def func_vmap(model: nn.Module) -> Step:
    """torch.func: vmap of grad over the batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def one(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, parameters, (x[None],)), y[None])

    rows_of = vmap(grad(one), in_dims=(None, 0, 0))

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        rows = rows_of({name: p.detach() for name, p in model.named_parameters()}, x, y)
        norms = {name: each.flatten(1).square().sum(1) for name, each in rows.items()}
        means = {name: each.mean(0) for name, each in rows.items()}
        _alphas(norms, means, len(x))
        for name, parameter in model.named_parameters():
            parameter.grad = means[name]
        optimizer.step()

    return step


METHODS: dict[str, Method] = {
    "mean gradient's norms only": floor,
    "fused": partial(ours, fused=True),
    "exact": partial(ours, fused=False),
    f"exact, every {EVERY}th step": partial(every, fused=False, each=EVERY),
    "Opacus ghost": opacus_ghost,
    "BackPACK BatchL2Grad": backpack_l2,
    "torch.func vmap(grad)": func_vmap,
}
PERIOD = {f"exact, every {EVERY}th step": EVERY}
"""Steps that are one turn of a method; 1 for all others."""
