"""Recording a case of the coverage table, and what it should find."""

import torch

from tests import reference
from trainables.gradients.engine import Engine


def masked(case, model, x):
    """A pass; where it draws masks, the same ones every time."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(11)
        return model(x)


def oracle_of(case):
    model, x, y, loss = case.build()
    if not case.draws:
        return reference.per_example_gradients(model, loss, x, y)
    model = model.double()
    return reference.gradients_of_losses(model, loss(masked(case, model, x.double()), y))


def recorded(case, dtype, *, mean_gradient):
    model, x, y, loss = case.build()
    model, x = model.to(dtype), x.to(dtype)
    engine = Engine(model, eval_mode=case.eval_mode)
    engine.plan(x)
    with engine.recording() as record:
        losses = loss(masked(case, model, x), y)
    return engine, record, record.differentiate(losses, mean_gradient=mean_gradient)
