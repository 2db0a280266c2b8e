"""Gradient coherence around any training loop of torch: no Ray, no store, no change to the model.

with coherence(model) as c:
    for x, y in batches:
        optimizer.zero_grad()
        losses = cross_entropy(model(x), y, reduction="none")  # one loss per example
        c.backward(losses)                                     # in place of losses.mean().backward()
        optimizer.step()
        print(c.alpha, c.layers["fc1"].alpha)
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from trainables import estimators
from trainables.gradients.checks import check_independence, compare_sums, own_gradients
from trainables.gradients.engine import Engine, Record
from trainables.gradients.support import UnsupportedModelError
from trainables.gradients.types import Statistics
from trainables.modes import untouched


@dataclass(frozen=True)
class Reading:
    """Coherence of one layer, or of the network, in one batch; None where it is undefined."""

    statistics: Statistics

    @property
    def alpha(self) -> float | None:
        """||sum g||^2 / (n sum ||g||^2), in [0, 1]."""
        return estimators.alpha(self.statistics.n, self.statistics.q, self.statistics.s2)

    @property
    def alpha_unbiased(self) -> float | None:
        """The U-statistic of alpha, in [-1/(n-1), 1]; independent of the batch size in expectation."""
        return estimators.alpha_unbiased(self.statistics.n, self.statistics.q, self.statistics.s2)

    @property
    def m_coherence(self) -> float | None:
        """||sum g||^2 / sum ||g||^2, in [0, n]."""
        return estimators.m_coherence(self.statistics.n, self.statistics.q, self.statistics.s2)


class Coherence:
    """What `coherence` gives: `backward`, and the reading of the newest measured batch.

    layers: by layer name, in registration order. steps: calls of `backward`.
    """

    def __init__(self, engine: Engine, every: int) -> None:
        self._engine, self._every = engine, every
        self._hooks = ExitStack()
        self._record: Record | None = None
        self._found: dict[str, Reading] = {}
        self.steps = 0

    def backward(self, losses: Tensor) -> None:
        """Add the gradient of the mean of losses [N], one per example, to each parameter's `grad`.

        Every use of the model since the last call belongs to this batch, so that evaluations in between are made
        under torch.no_grad(). Raises UnsupportedModelError for what has no exact per-example gradient.
        """
        if losses.dim() != 1:
            raise ValueError(
                f"losses: given shape {tuple(losses.shape)}, expected [examples]; use reduction='none' in the loss."
            )
        measured, record = self.steps % self._every == 0, self._record
        self.disarm()  # torch.func may run modules again
        if record is None:
            mean = self._engine.mean_gradient(losses)
        else:
            own = own_gradients(self._engine, losses) if self.steps == 0 else []
            found = record.differentiate(losses, mean_gradient=True, keep=self.steps == 0, measured=measured)
            assert found is not None
            mean = found
            if own:
                compare_sums(self._engine, own, record.row_sums().tensors)
                compare_sums(self._engine, own, {name: g * len(losses) for name, g in mean.tensors.items()})
            if measured:
                statistics = self._engine.statistics(record.square_norms(), mean, len(losses))
                self._found = {name: Reading(each) for name, each in statistics.items()}
        for name, parameter in self._engine.parameters.items():
            gradient = mean.tensors[name]
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        self.steps += 1
        self.arm()

    def arm(self) -> None:
        """Record the passes to come, if the next batch is measured."""
        if self._engine.fused or self.steps % self._every == 0:
            self._record = self._hooks.enter_context(self._engine.recording())

    def disarm(self) -> None:
        """Remove all hooks."""
        self._hooks.close()
        self._record = None

    @property
    def layers(self) -> dict[str, Reading]:
        """Readings of the layers in the newest measured batch."""
        return {name: each for name, each in self._read().items() if name != "*"}

    @property
    def network(self) -> Reading:
        """Reading of the whole network in the newest measured batch."""
        return self._read()["*"]

    @property
    def alpha(self) -> float | None:
        """Alpha of the whole network."""
        return self.network.alpha

    @property
    def m_coherence(self) -> float | None:
        """m-coherence of the whole network."""
        return self.network.m_coherence

    def _read(self) -> dict[str, Reading]:
        if not self._found:
            raise ValueError("nothing is measured yet; call backward(losses) first.")
        return self._found


@contextmanager
def coherence(
    model: nn.Module, *, fused: bool = False, every: int = 1, sample: Tensor | None = None
) -> Iterator[Coherence]:
    """Measure a model while a loop trains it.

    fused: the sum of the examples' gradients is the weight gradient: cheaper, equal to autograd's to rounding. every:
    measure each k-th batch; the others cost nothing (fused: all take the fused path). sample: a few inputs, needed
    where a layer has no rule of its own; with it examples are checked to be independent.

    Raises UnsupportedModelError by name for layers without an exact per-example gradient; ValueError for every < 1.
    """
    if every < 1:
        raise ValueError(f"every: given {every}, expected 1 or more.")
    engine = Engine(model, fused=fused)
    if sample is not None:
        engine.plan(sample)
        with untouched(model, sample.device):
            check_independence(model, sample)
    elif unknown := [layer for layer in engine.layers if layer.rule is None]:
        raise UnsupportedModelError(
            f"{unknown[0].shown} has no per-example rule of its own; give a few inputs: coherence(model, sample=x)."
        )
    found = Coherence(engine, every)
    found.arm()
    try:
        yield found
    finally:
        found.disarm()
