"""Which plugins a trial uses: by what version of what distribution, with a digest of its sources."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.packages import module_digest
from trainables.beginnings import Pretrained
from trainables.code import is_code
from trainables.corruptions import CORRUPTIONS
from trainables.instruments import INSTRUMENTS
from trainables.plugins import Plugin, PluginError, Registry, published
from trainables.registry import Choice
from trainables.sinks import SINKS
from trainables.spec import ALL_REGISTRIES, REGISTRIES, TrialSpec

DIGITS = 12
"""Of the digest: told to people."""


def plugins_of(spec: TrialSpec) -> list[Plugin]:
    """The plugins that a spec names, in the order of its fields."""
    found = [_plugin(REGISTRIES[field], getattr(spec, field)) for field in REGISTRIES]
    if isinstance(spec.init, Pretrained):
        found.append(_plugin(CORRUPTIONS, spec.init.corruption))
    found += [_plugin(INSTRUMENTS, one) for one in spec.measure.instruments]
    return [plugin for plugin in found if plugin is not None]


def with_plugins_of(spec: TrialSpec, provenance: str) -> str:
    """The provenance with the plugins of this trial; as it is where there are none."""
    used = plugins_of(spec)
    return json.dumps(json.loads(provenance) | {"plugins": facts_of(used)}, sort_keys=True) if used else provenance


def facts_of(plugins: Iterable[Plugin]) -> dict[str, dict[str, Any]]:
    """By distribution: its version, the names used of it, and 12 digits of the SHA-256 of its sources."""
    facts: dict[str, dict[str, Any]] = {}
    for plugin in plugins:
        known = {"version": plugin.version, "sources": _digest(plugin.module), "names": []}
        names = facts.setdefault(plugin.distribution, known)["names"]
        if plugin.what not in names:
            names.append(plugin.what)
    return facts


def modules_of(specs: Iterable[TrialSpec], sinks: Iterable[str] = ()) -> dict[str, str]:
    """Distribution -> top-level module of every plugin that trials, or the sinks beside them, name."""
    plugins = [plugin for spec in specs for plugin in plugins_of(spec)]
    plugins += [plugin for name in sinks if (plugin := SINKS.plugin_of(name))]
    return {plugin.distribution: plugin.module for plugin in plugins}


def described(distribution: str) -> str | None:
    """`0.1.0 (1a2b3c4d5e6f)` of a distribution that publishes something here; None of any other."""
    for plugin in published():
        if plugin.distribution == distribution:
            return f"{plugin.version} ({_digest(plugin.module)})"
    return None


def problems() -> Iterator[str]:
    """What is published and cannot be named in a sweep, a line each."""
    for registry in ALL_REGISTRIES.values():
        yield from registry.problems() if isinstance(registry, Registry) else ()


def names_foreign(spec: str) -> bool:
    """Whether a stored spec names what is neither built in nor published here, so that it cannot be made again."""
    try:
        content = json.loads(spec)
    except ValueError:
        return False
    return isinstance(content, dict) and any(_is_foreign(kind, choice) for kind, choice in _choices(content))


def _choices(content: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    yield from ((registry, content.get(field)) for field, registry in REGISTRIES.items())
    init, measure = content.get("init"), content.get("measure")
    if isinstance(init, dict):
        yield CORRUPTIONS, init.get("corruption")
    instruments = measure.get("instruments") if isinstance(measure, dict) else None
    yield from ((INSTRUMENTS, one) for one in instruments or ())


def _is_foreign(registry: Mapping[str, Any], choice: Any) -> bool:
    name = choice.get("name") if isinstance(choice, dict) else None
    if not isinstance(name, str):
        return False
    if is_code(name) or name not in registry:
        return True
    try:
        registry[name]
    except PluginError:
        return True
    return False


def _plugin(registry: Mapping[str, Any], choice: Choice) -> Plugin | None:
    return registry.plugin_of(choice.name) if isinstance(registry, Registry) else None


def _digest(module: str) -> str:
    return (module_digest(module) or "")[:DIGITS]
