"""Collect and draw the figures of a sweep; write them as PNG, SVG, Parquet and CSV.

Redrawing is cheap and gives the same bytes: no date and no random identifier goes into a file.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import polars as pl

from analysis.errors import Skipped, UserError
from analysis.figures import FIGURES, Entry
from analysis.store import Store
from analysis.sweeps import Sweep, view


@dataclass(frozen=True)
class Drawn:
    """One figure, in memory. caption: what is seen in these data; published: what the papers report."""

    name: str
    title: str
    png: bytes
    svg: bytes
    frame: pl.DataFrame
    caption: tuple[str, ...]
    published: str


@dataclass(frozen=True)
class NotDrawn:
    """A figure that these trials cannot feed, and why."""

    name: str
    title: str
    why: str


def draw_all(store: Store, sweep: Sweep) -> Iterator[Drawn | NotDrawn]:
    """Every registered figure, one after the other."""
    for name, entry in FIGURES.items():
        yield draw_one(name, entry, store, sweep)


def draw_one(name: str, entry: Entry, store: Store, sweep: Sweep) -> Drawn | NotDrawn:
    """Collect and draw one figure."""
    module = import_module(entry.module)
    try:
        shown = view(store, sweep, entry.needs)
        data = module.collect(store, shown)
    except Skipped as reason:
        return NotDrawn(name, entry.title, str(reason))
    png, svg = _render(module, data, _metadata(name, sweep, shown))
    return Drawn(name, entry.title, png, svg, module.frame(data), module.caption(data), module.PUBLISHED)


def _render(module: object, data: object, description: str) -> tuple[bytes, bytes]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from analysis.theme import DPI, RC

    with rc_context(RC):  # type: ignore[arg-type]
        figure = Figure(layout="constrained")
        module.draw(data, figure)  # type: ignore[attr-defined]
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(
            png, format="png", dpi=DPI, metadata={"Software": "gradient-coherence", "Description": description}
        )
        figure.set_layout_engine("none")  # laid out once; doing it again takes as long as drawing
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Description": description})
    return png.getvalue(), svg.getvalue()


def _metadata(name: str, sweep: Sweep, shown: Sweep) -> str:
    """Which trials of which sweep by which code: what `redraw` needs to make the same image again."""
    content = {
        "figure": name,
        "sweep": sweep.name,
        "revision": sweep.revision,
        "members": {member.name: member.revision for member in sweep.members},
        "trial_ids": shown.trial_ids,
        "code": f"gradient-coherence {code_version()}",
    }
    return json.dumps(content, sort_keys=True)


def code_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("gradient-coherence")
    except PackageNotFoundError:
        return "not installed"


def save(drawn: Drawn, folder: Path) -> None:
    """`<folder>/<figure>.png`, `.svg`, `.parquet` and `.csv`; existing files are overwritten."""
    (folder / f"{drawn.name}.png").write_bytes(drawn.png)
    (folder / f"{drawn.name}.svg").write_bytes(drawn.svg)
    drawn.frame.write_parquet(folder / f"{drawn.name}.parquet")
    drawn.frame.write_csv(folder / f"{drawn.name}.csv")


def writable_folder(folder: Path) -> Path:
    """Make the folder; raises UserError where that is not possible."""
    import os

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; give another folder.") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: no permission; give another folder.")
    return folder
