"""The contract of every figure: its parts, files with the same bytes twice, a reason on a foreign sweep."""

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from analysis.contracts.worlds import World, build, over_seeds
from analysis.errors import Skipped
from analysis.figures import Entry
from analysis.gallery import Drawn, draw_one
from analysis.store import Store
from analysis.sweeps import open_sweep
from trainables.plugins import API
from trainables.spec import TrialSpec

PARTS = ("collect", "draw", "frame", "caption", "PUBLISHED", "TITLE")


class FigureContract:
    """name, entry: as published; specs, world: a made-up sweep that feeds the figure."""

    name: ClassVar[str]
    entry: ClassVar[Entry]
    specs: ClassVar[Sequence[TrialSpec]] = over_seeds({}, {"corruption": {"name": "permuted-labels", "fraction": 0.5}})
    world: ClassVar[World] = World()

    def test_it_has_what_the_others_have(self) -> None:
        assert self.entry.api == API
        assert self.entry.title
        assert self.entry.summary
        module = import_module(self.entry.module)
        assert [part for part in PARTS if not hasattr(module, part)] == []

    def test_it_draws_twice_the_same_and_keeps_its_data(self, tmp_path: Path) -> None:
        drawn, again = (self.drawn(tmp_path / "store") for _ in range(2))
        assert isinstance(drawn, Drawn), f"skipped: {drawn}"
        assert drawn.png.startswith(b"\x89PNG")
        assert drawn.svg.rstrip().endswith(b"</svg>")
        assert drawn.frame.height > 3, "the data behind the picture"
        assert drawn.caption, "what is seen in these data"
        assert all(sentence.endswith(".") for sentence in drawn.caption)
        assert "NaN" not in " ".join(drawn.caption)
        assert isinstance(again, Drawn)
        assert (drawn.png, drawn.svg, drawn.caption) == (again.png, again.svg, again.caption)

    def test_a_foreign_sweep_is_drawn_or_skipped_with_a_reason(self, tmp_path: Path) -> None:
        check_foreign(self.entry, tmp_path)

    def test_drawing_needs_no_torch(self) -> None:
        code = (
            f"import sys; sys.path[:0] = {sys.path!r}; import {self.entry.module};"
            "print([name for name in ('torch', 'ray', 'wandb') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "[]", done.stdout + done.stderr

    def drawn(self, path: Path) -> Any:
        """The figure, of the made-up sweep."""
        store = Store(path if path.exists() else build(path, self.specs, self.world))
        return draw_one(self.name, self.entry, store, open_sweep(store, "made-up"))


def check_foreign(entry: Entry, folder: Path) -> None:
    """A sweep of one trial that was made for something else, and one without any."""
    module = import_module(entry.module)
    store = Store(build(folder / "foreign", over_seeds({}, seeds=1), World()))
    try:
        data = module.collect(store, open_sweep(store, "made-up"))
    except Skipped as reason:
        said = len(str(reason)) > 20
    else:
        said = bool(module.frame(data).height)
    assert said, "a figure without data raises Skipped with the reason, in a sentence"
