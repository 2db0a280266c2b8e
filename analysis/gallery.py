"""Collect and draw the figures of a sweep; write them as PNG, SVG, Parquet and CSV.

Redrawing is cheap and gives the same bytes: no date and no random identifier goes into a file.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from analysis.errors import Skipped, UserError
from analysis.figures import FIGURES, Entry
from analysis.marks import marks
from analysis.store import Store
from analysis.sweeps import Sweep, only, open_sweep, view
from trainables.plugins import Plugin, PluginError, failed
from trainables.records import Location


@dataclass(frozen=True)
class Drawn:
    """One figure, in memory. caption: what is seen in these data; published: what the papers report; made: of which
    trials, at which size;
    marks: what lies where, as `analysis.marks` reads it off the figure."""

    name: str
    title: str
    png: bytes
    svg: bytes
    frame: pl.DataFrame
    caption: tuple[str, ...]
    published: str
    made: str = ""
    marks: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotDrawn:
    """A figure that these trials cannot feed, and why."""

    name: str
    title: str
    why: str


def draw_all(store: Store, sweep: Sweep, names: Sequence[str] = ()) -> Iterator[Drawn | NotDrawn]:
    """Every registered figure, or those named, one after the other."""
    for name in names or FIGURES:
        plugin = FIGURES.plugin_of(name)
        yield draw_one(name, FIGURES[name], store, sweep) if plugin is None else _draw_published(plugin, store, sweep)


def _draw_published(plugin: Plugin, store: Store, sweep: Sweep) -> Drawn | NotDrawn:
    """A figure of another distribution: whatever is wrong with it is told in its place, and the others are drawn."""
    try:
        return draw_one(plugin.name, FIGURES[plugin.name], store, sweep)
    except PluginError as error:
        return NotDrawn(plugin.name, plugin.name, str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything; it is told
        return NotDrawn(plugin.name, plugin.name, failed(plugin, error))


def draw_one(name: str, entry: Entry, store: Store, sweep: Sweep) -> Drawn | NotDrawn:
    """Collect and draw one figure on what it needs of a sweep."""
    try:
        return _drawn(name, entry, store, sweep, view(store, sweep, entry.needs))
    except Skipped as reason:
        return NotDrawn(name, entry.title, str(reason))


def redraw(store: Store, image: Location) -> Drawn:
    """The figure that an image shows, from the trials that its metadata names, whatever was added to the store since.

    Raises UserError where the image says nothing, or the store no longer has what it names. The same code gives the
    same bytes.
    """
    facts = read_facts(image)
    name, entry = facts["figure"], FIGURES.get(facts["figure"])
    if entry is None:
        raise UserError(f"{image}: figure {name!r} is not known to this version; it was made by {facts['code']}.")
    sweep = open_sweep(store, facts["sweep"], {facts["sweep"]: facts["revision"], **facts["members"]})
    try:
        shown = view(store, sweep, entry.needs)
        gone = sorted(set(facts["trial_ids"]) - set(shown.trial_ids))
        if gone:
            raise UserError(f"{image}: {len(gone)} of its trials are not in {store.path}: {', '.join(gone[:3])}, ...")
        return _drawn(name, entry, store, sweep, only(store, shown, facts["trial_ids"]))
    except Skipped as reason:
        raise UserError(f"{image}: {reason}.") from reason


def _drawn(name: str, entry: Entry, store: Store, sweep: Sweep, shown: Sweep) -> Drawn:
    module = import_module(entry.module)
    data = module.collect(store, shown)
    png, svg, found = _render(module, data, json.dumps(_facts(name, entry, sweep, shown), sort_keys=True))
    parts = shown.members or (shown,)
    made = f"{shown.trials.height} trials of {', '.join(part.base for part in parts)}, at {shown.size}"
    return Drawn(name, entry.title, png, svg, module.frame(data), module.caption(data), module.PUBLISHED, made, found)


def _render(module: object, data: object, description: str) -> tuple[bytes, bytes, dict[str, Any]]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    from analysis.theme import DPI, RC

    with rc_context(RC):  # type: ignore[arg-type]
        figure = Figure(layout="constrained", dpi=DPI)
        module.draw(data, figure)  # type: ignore[attr-defined]
        png, svg = io.BytesIO(), io.BytesIO()
        # savefig would go through the whole figure once more for each format; here it is laid out and drawn once.
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": "gradient-coherence", "Description": description})
        figure.set_layout_engine("none")
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None, "Description": description})
        return png.getvalue(), svg.getvalue(), marks(figure)


def _facts(name: str, entry: Entry, sweep: Sweep, shown: Sweep) -> dict[str, Any]:
    """Which trials of which sweep by which code: what `redraw` needs to make the same image again."""
    return {
        "figure": name,
        "sweep": sweep.name,
        "revision": sweep.revision,
        "members": {member.name: member.revision for member in sweep.members},
        "query": {"needs": list(entry.needs), "outcome": "completed"},
        "trial_ids": shown.trial_ids,
        "code": f"gradient-coherence {code_version()}",
    }


def read_facts(image: Location) -> dict[str, Any]:
    """The metadata that `_facts` put into a PNG or an SVG; raises UserError where there is none."""
    try:
        facts = json.loads(_description(image))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{image}: no figure of this package can be read from it; give a PNG or SVG.") from error
    if not isinstance(facts, dict) or not {"figure", "sweep", "revision", "members", "trial_ids"} <= facts.keys():
        raise UserError(f"{image}: it does not say what it was made of; give a figure that `coherence figures` wrote.")
    return facts


def _description(image: Location) -> str:
    if image.suffix == ".svg":
        from xml.etree import ElementTree

        with image.open("rb") as file:
            found = ElementTree.parse(file).find(".//{http://purl.org/dc/elements/1.1/}description")
        return (found.text or "") if found is not None else ""
    from PIL import Image

    with image.open("rb") as file, Image.open(file) as opened:
        return str(opened.info.get("Description", ""))


def code_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("gradient-coherence")
    except PackageNotFoundError:
        return "not installed"


def save(drawn: Drawn, folder: Location) -> None:
    """`<folder>/<figure>.png`, `.svg`, `.parquet` and `.csv`; existing files are overwritten."""
    (folder / f"{drawn.name}.png").write_bytes(drawn.png)
    (folder / f"{drawn.name}.svg").write_bytes(drawn.svg)
    table, text = io.BytesIO(), io.BytesIO()
    drawn.frame.write_parquet(table)
    drawn.frame.write_csv(text)
    (folder / f"{drawn.name}.parquet").write_bytes(table.getvalue())
    (folder / f"{drawn.name}.csv").write_bytes(text.getvalue())


def writable_folder(folder: Location) -> Location:
    """Make the folder; raises UserError where that is not possible."""
    import os

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; give another folder.") from error
    if isinstance(folder, Path) and not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: no permission; give another folder.")
    return folder
