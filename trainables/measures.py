"""Rows of the statistics columns: sufficient statistics and what every instrument makes of them."""

from collections.abc import Mapping

from trainables.gradients.types import Statistics
from trainables.instruments import INSTRUMENTS
from trainables.registry import load

Columns = dict[str, float | int | str | None]


def columns(statistics: Statistics) -> Columns:
    """n, q, s2, q4 and the columns of all instruments."""
    found: Columns = {"n": statistics.n, "q": statistics.q, "s2": statistics.s2, "q4": statistics.q4}
    for entry in (one for one in INSTRUMENTS.builtin.values() if one.facts == "columns"):
        found.update(load(entry)(statistics))
    return found


def layer_rows(
    statistics: Mapping[str, Statistics], parameters: Mapping[str, int], common: Mapping[str, str | int]
) -> list[Columns]:
    """One row of `layers` for each layer, whole network (`*`, index -1) last."""
    order = {name: index for index, name in enumerate(parameters)} | {"*": -1}
    sizes = {**parameters, "*": sum(parameters.values())}
    return [
        {
            **common,
            "layer": name,
            "layer_index": order[name],
            "k": found.k,
            "parameters": sizes[name],
            **columns(found),
        }
        for name, found in statistics.items()
    ]
