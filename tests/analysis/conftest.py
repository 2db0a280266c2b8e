"""Made-up stores that several tests read; nobody writes into them."""

from pathlib import Path

import pytest

from analysis.gallery import Drawn, draw_all
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.made_up import Effects, MadeUp, demo_specs, write

THIN = (0, 1, 2, 5, 10, 20, 50, 100, 125, 500, 1000, 1500, 1875, 2000)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shape of the built-in sweep `demo`, complete, on a thin schedule."""
    return write(tmp_path_factory.mktemp("demo") / "store", MadeUp(specs=demo_specs(), effects=Effects(steps=THIN)))


@pytest.fixture(scope="session")
def opened(demo: Path) -> tuple[Store, Sweep]:
    store = Store(demo)
    return store, open_sweep(store, "demo")


@pytest.fixture(scope="session")
def drawn_demo(opened: tuple[Store, Sweep]) -> dict[str, Drawn]:
    """Every figure of the demo, drawn once."""
    return {result.name: result for result in draw_all(*opened) if isinstance(result, Drawn)}
