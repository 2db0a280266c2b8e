"""Registries: entries from other distributions, and answers to unknown names."""

from importlib.metadata import EntryPoint
from typing import Literal

import pytest

from trainables import registry
from trainables.registry import Choice, Entry, load, nearest, with_plugins
from trainables.spec import REGISTRIES


class Mine(Choice):
    """A choice that another distribution brings."""

    name: Literal["mine"]


MINE = Entry(Mine, "math:sqrt", "somebody else's")


def publish(monkeypatch, name):
    point = EntryPoint(name, f"{__name__}:MINE", "gradient_coherence.models")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])


def test_an_entry_point_becomes_an_entry(monkeypatch):
    publish(monkeypatch, "mine")
    found = with_plugins("models", REGISTRIES["model"])
    assert found["mine"].params is Mine
    assert load(found["mine"])(9) == 3
    assert "mine" not in with_plugins("datasets", REGISTRIES["dataset"])


def test_a_name_cannot_be_taken_twice(monkeypatch):
    publish(monkeypatch, "mlp")
    with pytest.raises(ValueError, match="mlp"):
        with_plugins("models", REGISTRIES["model"])


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_names_itself_and_can_be_imported(kind):
    for name, entry in REGISTRIES[kind].items():
        assert entry.params.model_fields["name"].annotation == Literal[name]
        assert entry.params.model_fields["name"].is_required()
        assert entry.summary
        assert callable(load(entry))


def test_the_nearest_name_is_offered_only_when_it_is_near():
    assert "Did you mean 'lenet'?" in nearest("lenett", ["lenet", "mlp"])
    assert "Did you mean" not in nearest("transformer", ["lenet", "mlp"])
