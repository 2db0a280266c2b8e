"""Which layers of a network stand for it."""

import polars as pl


def first_middle_last(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """(place, layer) of the first, a middle and the last layer with parameters, in forward order; needs layer and
    layer_index of `layers`. Normalisation layers are passed over where there are others."""
    names = rows.filter(pl.col("layer") != "*").select("layer", "layer_index").unique().sort("layer_index")["layer"]
    order = [name for name in names if "norm" not in name and ".bn" not in name] or list(names)
    places = {"first": order[0], "middle": order[(len(order) - 1) // 2], "last": order[-1]} if order else {}
    return [
        (place, layer) for place, layer in places.items() if list(places.values()).count(layer) == 1 or place == "first"
    ]


def is_convolution(name: str) -> bool:
    """By the names that the built-in models give: `conv1`, `features.conv2`, ..."""
    return "conv" in name


def is_fully_connected(name: str) -> bool:
    """By the names that the built-in models give: `fc1`, `head`, ..."""
    return name.rpartition(".")[2].startswith(("fc", "head", "classifier"))
