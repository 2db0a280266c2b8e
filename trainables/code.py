"""`module:object` in a sweep file: code that is neither built in nor published. Torch-free.

Nothing is imported for such a name unless `allowed` says so, which the command does for `--allow-code` of `run`,
`retry` and `verify` alone. The object is an Entry of `trainables.registry`, or a function with the signature of its
kind. The SHA-256 of the module's file is part of the choice: edited code makes other trials, and a node with another
file refuses.
"""

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, create_model
from pydantic_core import PydanticCustomError

from trainables.registry import Choice, Entry

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_FOLDER: ContextVar[str | None] = ContextVar("code", default=None)

BY_FUNCTION = {
    "model": "build(choice, shape, outputs) -> torch.nn.Module",
    "dataset": "load(choice) -> trainables.datasets.arrays.Arrays",
    "corruption": "corrupt(choice, arrays, classes, seed) -> Corrupted",
    "augmentation": "augment(choice, x, index, seed, epoch) -> x",
    "optimizer": "build(choice) -> trainables.updates.Optimizer",
    "schedule": "factor(choice, step, total, per_epoch) -> float",
    "loss": "loss(choice, outputs, labels) -> losses [N]",
}
"""Kinds of which a plain function says enough; of an aggregator or an instrument an Entry says what it needs."""


class Code(Choice):
    """Parameters as written, of a function that a sweep names; code: SHA-256 of its module's file, 16 digits."""

    model_config = ConfigDict(extra="allow")

    code: str


def is_code(name: str) -> bool:
    """Whether a name of a choice is `module:object`."""
    return _NAME.fullmatch(name) is not None


@contextmanager
def allowed(folder: str | None) -> Iterator[None]:
    """Code may be named inside: of the environment, or of this folder, which is looked at last. None: it may not."""
    token = _FOLDER.set(folder)
    added = folder is not None and folder not in sys.path
    if folder is not None and added:
        sys.path.append(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)
        if folder is not None and added and folder in sys.path:
            sys.path.remove(folder)


def folder_allowed() -> str | None:
    """The folder of the innermost `allowed`."""
    return _FOLDER.get()


def entry_of(kind: str, name: str) -> Entry:
    """The entry that `module:object` names; imports the module. A refusal where code is not allowed."""
    if _FOLDER.get() is None:
        raise _refused(
            f"{name!r} names code, which only `coherence run --allow-code` imports, and `retry --allow-code`: read it"
            " first. Or publish it as an entry point (docs/extending.md)."
        )
    return _entry(kind, name)


def signed(name: str, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with the digest of the code; refused where they come with another digest."""
    if not is_code(name):
        return mapping
    found = _digest(name.partition(":")[0])
    if (given := mapping.get("code", found)) != found:
        raise _refused(f"{name}: its module has digest {found} here, and the trial was planned with {given}.")
    return {**mapping, "code": found}


@cache
def _entry(kind: str, name: str) -> Entry:
    module, attribute = name.split(":")
    try:
        found = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise _refused(
            f"{name!r} cannot be imported ({said}); it is looked for in the environment and in {_FOLDER.get()}."
        ) from error
    if isinstance(found, Entry):
        params = create_model(found.params.__name__, __base__=found.params, name=_fixed(name), code=(str, ...))
        return Entry(params, found.code, found.summary, found.facts)
    if kind not in BY_FUNCTION or not callable(found):
        wanted = f"a function {BY_FUNCTION[kind]}, or " if kind in BY_FUNCTION else ""
        raise _refused(f"{name!r} is {type(found).__name__}, expected {wanted}a trainables.registry.Entry.")
    params = create_model("Code", __base__=Code, name=_fixed(name))
    return Entry(params, name, "code that the sweep names", _facts_by_loading(found) if kind == "dataset" else None)


def _fixed(name: str) -> Any:
    return Literal[name], ...


def _facts_by_loading(load: Any) -> Any:
    """Facts of a data set of which nothing is known before it is loaded; loaded once for each set of parameters."""
    known: dict[str, Any] = {}

    def facts(choice: Choice) -> Any:
        from trainables.datasets.facts import DatasetFacts

        key = choice.model_dump_json()
        if key not in known:
            arrays = load(choice)
            classes = int(max(arrays.train_y.max(), arrays.test_y.max())) + 1
            shape = tuple(arrays.train_x.shape[1:])
            known[key] = DatasetFacts(shape, classes, len(arrays.train_y), len(arrays.test_y))
        return known[key]

    return facts


def _digest(module: str) -> str:
    path = Path(str(import_module(module).__file__))
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _refused(text: str) -> PydanticCustomError:
    return PydanticCustomError("code", "{text}", {"text": text})
