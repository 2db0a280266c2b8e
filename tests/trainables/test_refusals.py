"""What the engine refuses by name: layers, uses and models without an exact per-example gradient."""

import re

import pytest
import torch
from torch import nn

from tests.trainables.problems import CE
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(12, 4), nn.Linear(12, 4)

    def forward(self, x):
        return self.used(x.flatten(1))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 12)

    def forward(self, x):
        return nn.functional.linear(self.fc(x.flatten(1)), self.fc.weight)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(12, 12), nn.Linear(12, 12)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.two(self.one(x.flatten(1)))


class Held(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.shift = nn.Linear(12, 4), nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.fc(x.flatten(1)) + self.shift


class Mixing(nn.Module):
    """Examples see each other without any parameter."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(x.flatten(1) - x.flatten(1).mean(0))


class ChangedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        flat = x.flatten(1) * 1.0
        out = self.fc(flat)
        flat.mul_(2.0)
        return out


class Moved(nn.Module):
    """A linear layer between two changes of shape."""

    def __init__(self, before, after, size=3):
        super().__init__()
        self.fc, self.before, self.after = nn.Linear(size, 4), before, after

    def forward(self, x):
        out = self.after(self.fc(self.before(x)).tanh())
        return out.sum(1) if out.dim() == 3 else out


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(input=x.flatten(1))


class Positions(nn.Module):
    """A table of positions looked up once for all examples."""

    def __init__(self, count=4):
        super().__init__()
        self.table, self.fc = nn.Embedding(count, 3), nn.Linear(3, 4)

    def forward(self, x):
        positions = self.table(torch.arange(self.table.num_embeddings))
        return self.fc(x[:, 0, :1] + positions.tanh()).tanh().sum(1)


MUST_REFUSE = {
    "layer not used": (Unused, "'idle'"),
    "functional use of a weight": (Functional, "'fc.weight'"),
    "tied weights": (Tied, "weight"),
    "parameter of the model itself": (Held, "Held"),
    "examples that see each other": (Mixing, "other examples"),
    "input changed after its use": (ChangedInput, "'fc'"),
    "batch norm": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)), "'2'"),
    "batch norm without parameters": (
        lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12, affine=False), nn.Linear(12, 4)),
        "'1'",
    ),
    "instance norm": (lambda: nn.Sequential(nn.InstanceNorm2d(1, affine=True), nn.Flatten()), "InstanceNorm2d"),
    "attention": (lambda: nn.Sequential(nn.Flatten(1, 2), nn.MultiheadAttention(3, 1)), "MultiheadAttention"),
    "recurrence": (lambda: nn.Sequential(nn.Flatten(1, 2), nn.LSTM(3, 4)), "LSTM"),
    "transposed convolution": (lambda: nn.Sequential(nn.ConvTranspose2d(1, 1, 2), nn.Flatten()), "ConvTranspose2d"),
    "embedding with a largest norm": (lambda: nn.Embedding(3, 2, max_norm=1.0), "max_norm=1.0"),
    "embedding scaled by counts": (lambda: nn.Embedding(3, 2, scale_grad_by_freq=True), "scale_grad_by_freq"),
    "sparse embedding": (lambda: nn.Embedding(3, 2, sparse=True), "sparse=True"),
    "examples folded into positions": (lambda: Moved(lambda x: x.flatten(0, 2), lambda x: x.view(-1, 4, 4)), "(24, 3)"),
    "examples on the second axis": (
        lambda: Moved(lambda x: x[:, 0].repeat(1, 2, 1)[:, :6].transpose(0, 1), lambda x: x.transpose(0, 1)),
        "'fc'",
    ),
    "positions without examples": (Positions, "(4,)"),
    "as many positions as examples": (lambda: Positions(6), "'table'"),
    "input by keyword": (ByKeyword, "by keyword"),
    "subclass of a layer": (lambda: nn.Sequential(nn.Flatten(), type("Mine", (nn.Linear,), {})(12, 4)), "Mine"),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_what_has_no_exact_rule_is_refused_by_name(case):
    build, named = MUST_REFUSE[case]
    x, y = torch.randn(6, 1, 4, 3), torch.randint(4, (6,))
    model = build()
    with pytest.raises(UnsupportedModelError, match=re.escape(named)):
        check_model(Engine(model), model, x, lambda outputs: CE(outputs, y))
