"""Fixtures of trials' parts."""

import pytest


@pytest.fixture
def small_downloads(tmp_path, monkeypatch):
    """A data folder with tiny stand-ins for every downloaded data set; nothing is fetched."""
    from tests.trainables.image_files import accept, write_files
    from trainables.datasets.folder import VARIABLE
    from trainables.datasets.vision import READERS, _whole

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    for name in READERS:
        write_files(name, tmp_path)
        accept(name, tmp_path, monkeypatch)
    yield tmp_path
    _whole.cache_clear()
