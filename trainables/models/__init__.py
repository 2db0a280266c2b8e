"""Models by name: parameters and code; torch is imported only when one is built."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Integer, Surroundings, with_plugins


class Mlp(Choice):
    """Fully connected ReLU network on the flattened input; `widths: []` is a linear model."""

    name: Literal["mlp"]
    widths: tuple[Annotated[Integer, Field(ge=1)], ...] = (128, 128)
    bias: bool = True


class LeNet(Choice):
    """LeNet-5 with ReLU and max pooling: 5x5x6 and 5x5x16 convolutions, then 120-84-classes."""

    name: Literal["lenet"]

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 12 x 12, so that something is left after two poolings."""
        shape = around.shape
        if len(shape) != 3 or min(shape[1:]) < 12:
            size = " x ".join(str(n) for n in shape)
            raise ValueError(f"lenet needs images of at least 12 x 12; {around.dataset!r} has {size}. Use mlp.")


MODELS: dict[str, Entry] = with_plugins(
    "models",
    {
        "mlp": Entry(Mlp, "trainables.models.mlp:build", "fully connected ReLU network"),
        "lenet": Entry(LeNet, "trainables.models.lenet:build", "LeNet-5 with ReLU and max pooling"),
    },
)
