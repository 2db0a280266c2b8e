"""The text of a sweep file, as the store keeps it: untrusted, and read for a name and a description alone."""

from collections.abc import Iterator
from typing import Any

LIMIT = 1 << 20
"""Characters; a sweep file may have as many bytes."""
DEPTH = 24


def parsed(definition: str) -> dict[str, Any]:
    """What the text says at its top; empty where it is not, or no longer, a readable mapping.

    Anchors and aliases, which no sweep file may have, are not followed: a few lines of them can mean gigabytes.
    """
    import yaml

    if len(definition) > LIMIT:
        return {}
    try:
        if _is_extravagant(yaml.parse(definition, Loader=yaml.SafeLoader)):
            return {}
        content = yaml.safe_load(definition)
    except (yaml.YAMLError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_extravagant(events: Iterator[Any]) -> bool:
    """Whether there is an anchor, an alias or a nest deeper than a sweep file may have; stops at the first."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if getattr(event, "anchor", None) or depth > DEPTH:
            return True
    return False
