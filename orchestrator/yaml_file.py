"""YAML as a sweep may use it: one document of plain mappings, lists and scalars.

Scalars follow YAML 1.2's core schema where it is unambiguous (`1e-3` is a number, `no` is text) and are
refused where a reader could take them two ways (`08`, `0x1F`, `.inf`). Anchors, aliases, tags and
duplicate keys are refused. Every refusal names the line.
"""

import math
import re
from typing import Any

import yaml

from orchestrator.errors import UserError, one_line

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_REAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_AMBIGUOUS = re.compile(r"[-+]?(0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F]+)\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None, "true": True, "True": True, "TRUE": True}
_WORDS |= {"false": False, "False": False, "FALSE": False}


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """The mapping that a document holds; `source` names the file in messages."""
    if len(text.encode()) > MAX_BYTES:
        raise UserError(f"{source}: larger than 1 MiB; a sweep is a small file: give axes, not lists of trials.")
    try:
        _refuse_extras(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{source}{line}: broken YAML: {one_line(error.problem or str(error))}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{source}: broken YAML: {one_line(str(error))}.") from error
    if node is None:
        raise UserError(f"{source}: the file is empty; a sweep needs at least 'name' and 'axes'.")
    if not isinstance(node, yaml.MappingNode):
        raise UserError(
            f"{source}{_line(node)}: expected a mapping with 'name' and 'axes' at the top, given {_kind(node)}."
        )
    return _mapping(node, source)


def _refuse_extras(text: str, source: str) -> None:
    """Before anything is composed: an alias bomb or a deep nest costs nothing."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if anchor := getattr(event, "anchor", None):
            mark, what = ("*", "aliases") if isinstance(event, yaml.AliasEvent) else ("&", "anchors")
            raise UserError(f"{source}{_line(event)}: {what} are refused, given '{mark}{anchor}'; write the value out.")
        if tag := getattr(event, "tag", None):
            tag = tag.replace("tag:yaml.org,2002:", "!!")
            raise UserError(f"{source}{_line(event)}: tags are refused, given {tag}; write the plain value.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise UserError(f"{source}{_line(event)}: nested deeper than {MAX_DEPTH} levels; a sweep needs about six.")


def _value(node: yaml.Node, source: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, source) for item in node.value]
    return _scalar(node, source)


def _mapping(node: yaml.MappingNode, source: str) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node, source) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise UserError(f"{source}{_line(key_node)}: a key must be a name, given {_kind(key_node)}.")
        if key in built:
            raise UserError(f"{source}{_line(key_node)}: key {key!r} stands twice in one mapping; keep one.")
        built[key] = _value(value_node, source)
    return built


def _scalar(node: Any, source: str) -> Any:
    text, where = node.value, f"{source}{_line(node)}"
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.match(text):
        raise UserError(f"{where}: given {text}, expected a finite number.")
    if _AMBIGUOUS.match(text):
        raise UserError(f"{where}: {text} can be read in two ways; write a plain decimal number, or quote it as text.")
    return _number(text, where)


def _number(text: str, where: str) -> int | float | str:
    if not _REAL.match(text):
        return text
    if len(text) > 40:
        raise UserError(f"{where}: a number of {len(text)} characters; at most 40 are meant.")
    if _INTEGER.match(text):
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise UserError(f"{where}: {text} is larger than any double-precision number.")
    return number


def _line(marked: Any) -> str:
    return f", line {marked.start_mark.line + 1}"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
