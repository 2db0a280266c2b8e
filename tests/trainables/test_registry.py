"""Registries: answers to unknown names, and published entries, found by name and loaded when asked for."""

from importlib.metadata import EntryPoint
from typing import Literal

import pytest

from trainables.plugins import API, Plugin, PluginError, Registry
from trainables.registry import Choice, Entry, check_entry, load, nearest
from trainables.spec import REGISTRIES


class Mine(Choice):
    """A choice that another distribution brings."""

    name: Literal["mine"]


class Defaulted(Choice):
    """A choice with a discriminator that vanishes from ids."""

    name: Literal["mine"] = "mine"


MINE = Entry(Mine, "math:sqrt", "somebody else's")
NEWER = Entry(Mine, "math:sqrt", "of the future", api=API + 1)
OTHER_NAME = Entry(REGISTRIES["model"]["mlp"].params, "math:sqrt", "called otherwise")
NO_DISCRIMINATOR = Entry(Defaulted, "math:sqrt", "without a name in the id")
NO_MODEL = Entry(dict, "math:sqrt", "parameters that nobody checks")
NO_CODE = Entry(Mine, "math.sqrt", "where?")
BUILTIN = {"one": MINE, "two": NEWER}


def plugin(attribute: str = "MINE", name: str = "mine", kind: str = "models", who: str = "their-plugin") -> Plugin:
    point = EntryPoint(name, f"{__name__}:{attribute}", f"gradient_coherence.{kind}")
    return Plugin(kind, name, who, "1.2", point)


def registry(*plugins: Plugin, kinds: tuple[str, ...] = ("models",)) -> Registry[Entry]:
    return Registry(kinds, BUILTIN, check_entry, plugins)


def test_a_published_entry_stands_after_the_built_in_ones():
    found = registry(plugin())
    assert list(found) == ["one", "two", "mine"]
    assert len(found) == 3
    assert load(found["mine"])(9) == 3
    assert found.plugin_of("mine").who == "their-plugin 1.2"
    assert found.plugin_of("one") is None


def test_another_kind_is_not_listened_to():
    assert "mine" not in registry(plugin(kind="datasets"))
    assert "mine" in registry(plugin(kind="metrics"), kinds=("instruments", "metrics"))


def test_nothing_is_imported_before_it_is_asked_for():
    found = registry(plugin("NOT_THERE"))
    assert list(found) == ["one", "two", "mine"]
    assert found["one"] is MINE
    with pytest.raises(PluginError, match="cannot be loaded"):
        found["mine"]


BROKEN = {
    "no such attribute": (plugin("NOT_THERE"), "cannot be loaded .AttributeError"),
    "no entry": (plugin("registry"), "another API: .* is function, expected trainables.registry.Entry"),
    "another API": (plugin("NEWER"), f"plugin API {API + 1}, expected {API}"),
    "another name": (plugin("OTHER_NAME"), "expected Literal.'mine'., without a default"),
    "a name with a default": (plugin("NO_DISCRIMINATOR"), "expected Literal.'mine'., without a default"),
    "no parameter model": (plugin("NO_MODEL"), "expected a subclass of trainables.registry.Choice"),
    "no place of the code": (plugin("NO_CODE"), "expected 'module:attribute'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_one_line_that_names_its_distribution(case):
    broken, says = BROKEN[case]
    found = registry(broken)
    for _ in range(2):
        with pytest.raises(PluginError, match=f"model 'mine' of their-plugin 1.2.*{says}") as caught:
            found["mine"]
        assert "\n" not in str(caught.value)
    assert found.usable() == BUILTIN
    assert [name for name, entry in found.each() if isinstance(entry, PluginError)] == ["mine"]


def test_a_built_in_name_cannot_be_taken():
    found = registry(plugin(name="one"))
    assert found["one"] is MINE
    assert found.plugin_of("one") is None
    [note] = found.notes()
    assert "model 'one' of their-plugin 1.2 is passed over" in note


def test_a_name_that_two_publish_is_refused_when_asked_for():
    found = registry(plugin(), plugin(who="another-plugin"))
    with pytest.raises(PluginError, match=r"published by their-plugin 1.2 and by another-plugin 1.2"):
        found["mine"]
    assert found["one"] is MINE
    assert len(found.notes()) == 1
    assert found.problems() == found.notes()


def test_an_entry_stands_in_for_another_for_a_while():
    found = registry(plugin())
    with found.holding("mine", NEWER), found.holding("one", NEWER):
        assert found["mine"] is found["one"] is NEWER
    assert (found["mine"], found["one"]) == (MINE, MINE)
    assert list(found) == ["one", "two", "mine"]


def test_a_registry_can_be_changed_and_looked_at_in_part():
    found = registry(plugin())
    found["three"] = MINE
    assert list(found)[-1] == "three"
    del found["one"]
    assert "one" not in found
    with pytest.raises(KeyError):
        del found["one"]
    assert list(registry(plugin()).without("one")) == ["two", "mine"]


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
