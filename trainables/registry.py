"""A registry maps a name to the parameters it takes, the code that builds it, and plain facts.

Torch-free: the implementation is imported only when a trial is built, so that listing, planning and
reading start within a second. A choice in a sweep is a name (`lenet`) or a mapping with `name` and
typed parameters (`{name: mlp, widths: [128, 128]}`).
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Strict

from trainables.plugins import Plugin, PluginError, Registry, check_api

Integer = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
"""Numbers as written: `true` and `"3"` are no numbers; an integer is a real."""


class Frozen(BaseModel):
    """Immutable, strict about unknown keys, and closed to NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Surroundings:
    """What a choice may know of the trial it is part of.

    batch_size: examples a step; dataset, model, estimator: names; shape: of one example, without the batch axis;
    epochs: passes over the training set; has_momentum: whether an update depends on the directions of earlier
    steps; mixes_examples: whether the model lets the examples of a batch see each other (batch normalisation);
    online: whether batches are measured; probe_examples: size of the probe, 0 without one.
    """

    batch_size: int
    dataset: str
    shape: tuple[int, ...]
    epochs: int
    has_momentum: bool
    model: str = ""
    estimator: str = "example"
    mixes_examples: bool = False
    online: bool = True
    probe_examples: int = 0


class Choice(Frozen):
    """Parameters of one registry entry; the subclass fixes `name` and has no default for it."""

    name: str

    def check(self, around: Surroundings) -> None:
        """Refuse, with a ValueError, a trial in which this choice cannot work. Default: accept."""


@dataclass(frozen=True)
class Entry:
    """One row of a registry.

    params: the parameter model, whose `name` is the registry key.
    code: `module:attribute` of the implementation, imported on first use.
    summary: one line for `coherence list`.
    facts: plain facts known without building (sizes, classes, what an aggregator needs); of a data set, the
        facts or a function of the choice that gives them.
    api: the plugin API that an entry of another distribution is written for.
    """

    params: type[Choice]
    code: str
    summary: str
    facts: Any = None
    api: int = 1


def load(entry: Entry) -> Any:
    """Import and return the implementation of an entry."""
    module, attribute = entry.code.split(":")
    return getattr(import_module(module), attribute)


def with_plugins(kind: str, builtin: Mapping[str, Entry], *more: str) -> Registry[Entry]:
    """Built-in entries and those that other distributions publish as entry points `gradient_coherence.<kind>`, or of
    one of the kinds `more`, each resolving to an Entry of a parameter model that fixes `name` to the published name."""
    return Registry((kind, *more), builtin, check_entry)


def check_entry(plugin: Plugin, found: object) -> Entry:
    """The entry, if it can stand in a registry under the published name; PluginError otherwise."""
    entry = check_api(plugin, found, Entry)
    wrong = f"{plugin.what} of {plugin.who}: "
    if not (isinstance(entry.params, type) and issubclass(entry.params, Choice)):
        raise PluginError(f"{wrong}`params` is {entry.params!r}, expected a subclass of trainables.registry.Choice.")
    field = entry.params.model_fields["name"]
    if get_args(field.annotation) != (plugin.name,) or not field.is_required():
        raise PluginError(
            f"{wrong}{entry.params.__name__}.name is {field.annotation}, expected Literal[{plugin.name!r}], without a"
            " default."
        )
    if not re.fullmatch(r"[\w.]+:[\w.]+", str(entry.code)):
        raise PluginError(f"{wrong}`code` is {entry.code!r}, expected 'module:attribute'.")
    return entry


def nearest(given: str, known: Iterable[str]) -> str:
    """' Did you mean X?' when something close is known, then the full list."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."
