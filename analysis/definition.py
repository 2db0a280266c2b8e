"""The text of a sweep file, as the store keeps it: untrusted, and read for a name and a description alone."""

from typing import Any

LIMIT = 1 << 20
"""Characters; a sweep file may have as many bytes."""


def parsed(definition: str) -> dict[str, Any]:
    """What the text says at its top; empty where it is not, or no longer, a readable mapping.

    Anchors and aliases, which no sweep file may have, are not followed: a few lines of them can mean gigabytes.
    """
    import yaml

    if len(definition) > LIMIT:
        return {}
    try:
        if any(getattr(event, "anchor", None) for event in yaml.parse(definition, Loader=yaml.SafeLoader)):
            return {}
        content = yaml.safe_load(definition)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
