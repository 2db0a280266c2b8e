"""Random changes of sweep files, by a seed: of their characters and lines, and of what they say."""

import copy
import random
from collections.abc import Callable
from typing import Any

import yaml

SCALARS: list[Any] = [
    *(
        None,
        True,
        False,
        "",
        " ",
        "null",
        "nan",
        "x" * 300,
        "mean",
        "mlp",
        "digits",
        "log",
        "../x",
        "<b>",
        "é\u2028",
        "all",
    ),
    *(0, -1, 1, 2, 7, 10**6, 10**18, -(10**18), 10**30, 0.5, -0.0, 1e-320, 1e308, 1.5, "1e999", "[", "{}", "a: b"),
]
SHAPES: list[Any] = [
    *([], {}, [[]], [None], {"": 1}, {"name": None}, {"name": "mlp"}, {"name": ["mlp"]}, {"range": [0, 3]}),
    *(
        {"range": [0, 10**9]},
        {"range": [3, 0]},
        {"range": "x"},
        {"range": [0, 1, 2]},
        {"range": [0.5, 2]},
        {"every": 0},
    ),
    *({"every": 5}, [1, "a", {}], {"name": "winsorized", "level": 1e-9}, {"name": "mlp", "widths": [10**9]}),
    *({"name": "mlp", "widths": []}, {"name": "permuted-labels", "fraction": 2}, {"name": "gaussian-clusters"}),
]
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "&a ",
    "*a",
    "!!python/name:os.system ",
    "- ",
    "\t",
    "\n",
    "---\n",
    "'",
    '"',
    "#",
]
PIECES += ["|\n", ">", "? ", "\x00", "\ufeff", "\x85", "%YAML 9.9\n", "<<: ", "9" * 50, "1e", "\U0001f600"]


def mutated(text: str, seed: int) -> str:
    """The text after one to three changes."""
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice([_characters, _lines, *[_structure] * 6])(text, rng)
    return text


def _characters(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice([rng.choice(PIECES), "", chr(rng.randrange(1, 0xD000))])
        + text[at + rng.choice((0, 1, 5)) :]
    )


def _lines(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    changes: list[Callable[[], Any]] = [
        lambda: lines.pop(at),
        lambda: lines.insert(other, lines[at]),
        lambda: lines.__setitem__(at, "  " + lines[at]),
        lambda: lines.__setitem__(at, lines[at].lstrip()),
        lambda: lines.__setitem__(slice(at, None), []),
    ]
    rng.choice(changes)()
    return "".join(lines)


def _structure(text: str, rng: random.Random) -> str:
    """One node of what the text says replaced, removed, doubled, renamed or wrapped; a broken text as it is."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    places = list(_places(content))
    if not places:
        return text
    parent, key = rng.choice(places)
    _change(parent, key, rng)
    return yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=rng.choice((None, True, False))
    )


def _places(node: Any) -> Any:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])


def _change(parent: Any, key: Any, rng: random.Random) -> None:
    value, pick = copy.deepcopy(parent[key]), rng.randrange(7)
    if pick == 0:
        del parent[key]
    elif pick == 1:
        parent[key] = rng.choice(SCALARS)
    elif pick == 2:
        parent[key] = copy.deepcopy(rng.choice(SHAPES))
    elif pick == 3:
        parent[key] = [value]
    elif pick == 4 and isinstance(value, (int, float)):
        parent[key] = value * rng.choice((-1, 0, 0.5, 2, 10))
    elif pick == 5 and isinstance(parent, dict):
        parent[rng.choice([*map(str, parent), "seed", "zip", "axes", "exclude", f"{key}s"])] = parent.pop(key)
    elif isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), value)
    else:
        parent[str(key) + rng.choice(("", "x", "_"))] = {"name": value}
