"""Registries that other distributions can add to, by entry points of the group `gradient_coherence.<kind>`.

Names are known from the metadata of what is installed; an entry is imported when it is first asked for, so that a
plugin costs nothing, and breaks nothing, where it is not used. Torch-free, and knows nothing of what an entry is.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

API = 1
"""What plugins of today are written for; an entry says which with `api`. It rises when plugins must be changed."""

GROUP = "gradient_coherence."
KINDS = (
    *("models", "datasets", "corruptions", "augmentations", "aggregators", "losses", "optimizers", "schedules"),
    *("instruments", "metrics", "figures", "claims", "sinks"),
)
"""Groups are `gradient_coherence.<one of these>`."""

T = TypeVar("T")


class PluginError(ValueError):
    """A plugin cannot be used: one line that names its distribution and the next move."""


@dataclass(frozen=True)
class Plugin:
    """One published name: of which kind, by which version of which distribution."""

    kind: str
    name: str
    distribution: str
    version: str
    point: EntryPoint

    @property
    def what(self) -> str:
        """`model 'tiny'`."""
        return f"{noun(self.kind)} {self.name!r}"

    @property
    def who(self) -> str:
        """`my-plugin 0.1.0`."""
        return f"{self.distribution} {self.version}"

    @property
    def module(self) -> str:
        """The top-level module that holds it."""
        return self.point.value.partition(":")[0].partition(".")[0].strip()


def noun(kind: str) -> str:
    """`models` -> `model`."""
    return {"losses": "loss"}.get(kind, kind.removesuffix("s"))


@cache
def published() -> tuple[Plugin, ...]:
    """Everything that is published in this environment, in the order of names; nothing of it is imported."""
    found = entry_points()
    groups = [group for group in found.groups if group.startswith(GROUP)]
    return tuple(_plugin(point) for group in sorted(groups) for point in sorted(found.select(group=group)))


def _plugin(point: EntryPoint) -> Plugin:
    owner = point.dist
    named = (owner.name, owner.version) if owner is not None else ("a distribution without a name", "")
    return Plugin(point.group.removeprefix(GROUP), point.name, *named, point)


class Registry(MutableMapping[str, T], Generic[T]):
    """Entries by name: the built-in ones, in order, then the published ones, loaded when they are first asked for.

    A published name that is built in is passed over (`notes` says so); one that two distributions publish is refused
    when it is asked for. Going through `items` or `values` loads everything and raises the first PluginError; `each`
    goes on.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        builtin: Mapping[str, T],
        checked: Callable[[Plugin, object], T],
        found: Sequence[Plugin] | None = None,
    ) -> None:
        """kinds: groups that add to it. checked: the entry that a plugin resolves to, or PluginError."""
        self.builtin = dict(builtin)
        self._checked, self._extra, self.kept = checked, dict[str, T](), dict[str, T]()
        self._plugins: dict[str, list[Plugin]] = {}
        self._loaded: dict[str, T | PluginError] = {}
        for plugin in published() if found is None else found:
            if plugin.kind in kinds:
                self._plugins.setdefault(plugin.name, []).append(plugin)

    def __getitem__(self, name: str) -> T:
        for known in (self._extra, self.builtin, self.kept):
            if name in known:
                return known[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(self._plugins[name])
        found = self._loaded[name]
        if isinstance(found, PluginError):
            raise found.with_traceback(None)
        return found

    def __setitem__(self, name: str, entry: T) -> None:
        self._extra[name] = entry

    def __delitem__(self, name: str) -> None:
        removed = [known.pop(name, None) for known in (self._extra, self.builtin, self._plugins)]
        if not any(each is not None for each in removed):
            raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._extra or name in self.builtin or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.builtin, *self._plugins, *self._extra]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @contextmanager
    def holding(self, name: str, entry: T) -> Iterator[None]:
        """This entry under this name inside, whatever stands there; as before afterwards."""
        before = self._extra.get(name)
        self._extra[name] = entry
        try:
            yield
        finally:
            if before is None:
                del self._extra[name]
            else:
                self._extra[name] = before

    def keep(self, name: str, entry: T) -> None:
        """Find this entry too when it is asked for; it is not among the names."""
        self.kept[name] = entry

    def without(self, *names: str) -> "Registry[T]":
        """The same registry less some of the built-in names."""
        fewer = copy(self)
        fewer.builtin = {name: entry for name, entry in self.builtin.items() if name not in names}
        return fewer

    def each(self) -> Iterator[tuple[str, T | PluginError]]:
        """Names with their entries, or with why a published one cannot be used."""
        for name in self:
            try:
                yield name, self[name]
            except PluginError as error:
                yield name, error

    def usable(self) -> dict[str, T]:
        """The entries that can be used."""
        return {name: entry for name, entry in self.each() if not isinstance(entry, PluginError)}

    def plugin_of(self, name: str) -> Plugin | None:
        """Who publishes this entry; None where it is built in."""
        if name in self.builtin or name in self._extra:
            return None
        return self._plugins[name][0] if name in self._plugins else None

    def problems(self) -> list[str]:
        """A line for each published name that nobody gets: it is built in, published twice, or cannot be used."""
        twice = {name for name, plugins in self._plugins.items() if len(plugins) > 1 and name not in self.builtin}
        broken = [str(one) for name, one in self.each() if isinstance(one, PluginError) and name not in twice]
        return [*self.notes(), *broken]

    def notes(self) -> list[str]:
        """A line for each published name that nobody gets: it is built in, or published twice."""
        lines = []
        for name, plugins in self._plugins.items():
            if name in self.builtin:
                lines += [
                    f"{one.what} of {one.who} is passed over: the name is built in; rename its entry point."
                    for one in plugins
                ]
            elif len(plugins) > 1:
                lines.append(_twice(plugins))
        return lines

    def _load(self, plugins: Sequence[Plugin]) -> T | PluginError:
        if len(plugins) > 1:
            return PluginError(_twice(plugins))
        plugin = plugins[0]
        try:
            return self._checked(plugin, plugin.point.load())
        except PluginError as error:
            return error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything; it is told
            said = " ".join(f"{type(error).__name__}: {error}".split())
            return PluginError(
                f"{plugin.what} of {plugin.who} cannot be loaded ({said}); mend or uninstall {plugin.distribution}."
            )


def failed(plugin: Plugin, error: Exception) -> str:
    """A line for what the code of a plugin raised."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{plugin.what} of {plugin.who} failed ({said}); mend or uninstall {plugin.distribution}"


def usable(registry: Mapping[str, T]) -> Mapping[str, T]:
    """The entries of a registry that can be used."""
    return registry.usable() if isinstance(registry, Registry) else registry


def _twice(plugins: Sequence[Plugin]) -> str:
    who = " and by ".join(plugin.who for plugin in plugins)
    return f"{plugins[0].what} is published by {who}; uninstall one of them, or rename an entry point."


def check_api(plugin: Plugin, found: object, kind: type[T]) -> T:
    """The found entry, if it is of this kind and of the API of today; PluginError otherwise."""
    if not isinstance(found, kind):
        raise PluginError(
            f"{plugin.what} of {plugin.who} is written for another API: {plugin.point.value} is {type(found).__name__},"
            f" expected {kind.__module__}.{kind.__qualname__}; install a version of {plugin.distribution} that fits."
        )
    if (given := getattr(found, "api", None)) != API:
        raise PluginError(
            f"{plugin.what} of {plugin.who} is written for plugin API {given}, expected {API};"
            f" install a version of {plugin.distribution} that fits."
        )
    return found
