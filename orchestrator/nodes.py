"""The nodes that a plan is made for, as one writes them: `4x(cpu=8,gpu=1)`, several groups joined by `+`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from orchestrator.errors import UserError
from orchestrator.estimates import Amount
from orchestrator.resources import Node

MOST = 10_000
_GROUP = re.compile(r"(\d+)x\(cpu=(\d+(?:\.\d+)?)(?:,gpu=(\d+))?\)")


def parse_nodes(text: str) -> list[Node]:
    """`1x(cpu=4)+2x(cpu=8,gpu=1)`: a node of four processors and two of eight with a GPU."""
    found: list[Node] = []
    for group in text.replace(" ", "").split("+"):
        match = _GROUP.fullmatch(group)
        count = int(match[1]) if match else 0
        if match is None or not count or float(match[2]) <= 0:
            raise UserError(
                f"--nodes: given {group!r} in {text!r}, expected COUNTx(cpu=N) or COUNTx(cpu=N,gpu=M), joined by +,"
                " with at least one node and more than 0 processors, such as '1x(cpu=4)+4x(cpu=8,gpu=1)'."
            )
        if len(found) + count > MOST:
            raise UserError(f"--nodes: given {text!r}, more than {MOST} nodes.")
        found += [{"CPU": float(match[2]), "GPU": float(match[3] or 0)}] * count
    return found


@dataclass(frozen=True)
class Cluster:
    """What a plan is made for. price: of one node for an hour, in whatever currency."""

    nodes: Sequence[Node]
    price: float | None = None

    def money(self, wall: Amount) -> Amount | None:
        """What all nodes cost until the last trial ends; None without a price."""
        if self.price is None:
            return None
        hourly = self.price * len(self.nodes)
        return Amount(*(hourly * seconds / 3600 for seconds in (wall.middle, wall.low, wall.high)))


def check_price(price: float | None, *, cluster: bool) -> None:
    """Refuse a price that is none, or of nodes that nobody named."""
    if price is not None and not (0 < price < inf):
        raise UserError(f"--price: given {price:g}, expected more than 0: the price of one node for an hour.")
    if price is not None and not cluster:
        raise UserError("--price is of one node for an hour; say which nodes, with --nodes or --address.")
