"""The part of a spec that says what is measured, and when. Torch-free."""

from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.choosing import choice_type
from trainables.instruments import CHOSEN
from trainables.registry import Frozen, Integer, Real
from trainables.schedules import Schedule


class Online(Frozen):
    """Statistics of the training batch, before its update, every `every` steps; rows per layer on `layers`."""

    every: Annotated[Integer, Field(ge=1)] = 1
    layers: Schedule = "log"


class Probe(Frozen):
    """Statistics at frozen weights over a fixed sample of the training set, with its given labels and fixed inputs.

    skip: so many of the seed's order are left out first, so that two samples can be disjoint.
    at: `raw`, the weights; `ema`, their exponential average w_ema <- d w_ema + (1 - d) w after each update, d =
    `ema_decay`: rows of source `probe-ema`.
    """

    examples: Annotated[Integer, Field(ge=2)] | Literal["all"] = 1000
    skip: Annotated[Integer, Field(ge=0)] = 0
    schedule: Schedule = "log"
    groups: tuple[Literal["corruption"], ...] = ("corruption",)
    at: Annotated[tuple[Literal["raw", "ema"], ...], Field(min_length=1)] = ("raw",)
    ema_decay: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.98


class Evaluate(Frozen):
    """Loss and accuracy on whole splits."""

    schedule: Schedule = "log"


Instrument: Any = choice_type("instrument", CHOSEN)


class Measure(Frozen):
    """What is measured and when; null switches a part off.

    instruments: what else is read off the probe's sample, each on its own schedule.
    budget: the largest number of examples that probes and instruments may take forward and backward, relative to
    training; the probe's sample shrinks to fit. Never seconds: a faster machine measures the same.
    """

    online: Online | None = Online()
    probe: Probe | None = Probe()
    evaluate: Evaluate = Evaluate()
    instruments: tuple[Instrument, ...] = ()
    budget: Annotated[Real, Field(gt=0.0)] | None = None
