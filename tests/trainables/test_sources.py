"""Whether data sets can be loaded, said without loading them; servers are stand-ins on this machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.photos import write_classes
from trainables.datasets import DATASETS, lacks, source
from trainables.datasets.folder import VARIABLE
from trainables.datasets.folders import ImageFolder
from trainables.datasets.source import DOWNLOADS, Download, lacks_files, lacks_package
from trainables.datasets.vision import READERS, expected_files

FILES = ["set/one", "set/two"]


class _Server(BaseHTTPRequestHandler):
    """Has `there` and nothing else."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("name", READERS)
def test_the_table_says_what_torchvision_reads_and_where_from(name: str) -> None:
    reader: Any = READERS[name]
    assert sorted(DOWNLOADS[name].files) == sorted(expected_files(name))
    if hasattr(reader, "mirrors"):
        assert DOWNLOADS[name].urls == [mirror + reader.resources[0][0] for mirror in reader.mirrors]
    else:
        assert DOWNLOADS[name].urls == [reader.url]


@pytest.mark.parametrize("name", DOWNLOADS)
def test_files_that_are_there_ask_no_server(name: str, small_downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "urlopen", pytest.fail)
    assert lacks(DATASETS[name].params(name=name)) is None


def test_files_that_a_server_has_are_no_lack(server: str, tmp_path: Path) -> None:
    assert lacks_files("set", Download(FILES, [f"{server}/gone", f"{server}/there"]), tmp_path / "data") is None


@pytest.mark.parametrize("address", ["{server}/gone", "http://127.0.0.1:1/there", "http://no.such.host.invalid/there"])
def test_without_files_and_server_one_line_says_what_to_do(address: str, server: str, tmp_path: Path) -> None:
    url = address.format(server=server)
    said = lacks_files("set", Download(FILES, [url]), tmp_path / "data")
    assert said is not None
    for part in ("'set'", str(tmp_path / "data"), *FILES, VARIABLE, url):
        assert part in said
    assert "\n" not in said


def test_an_incomplete_set_is_missing(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one").touch()
    assert lacks_files("set", Download(FILES, []), tmp_path) is not None
    (tmp_path / "set" / "two").touch()
    assert lacks_files("set", Download(FILES, []), tmp_path) is None


def test_a_server_does_not_help_where_nothing_can_be_written(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in str(
        lacks_files("set", Download(FILES, [f"{server}/there"]), tmp_path / "file" / "data")
    )


@pytest.mark.parametrize(("package", "there"), [("json", True), ("no_such_package", False)])
def test_a_packaged_set_needs_its_package(package: str, *, there: bool) -> None:
    said = lacks_package("set", package)
    assert said is None if there else "pip install" in str(said)


@pytest.mark.parametrize("name", ["mnist-5k", "digits", "gaussian-clusters", "linear-example"])
def test_what_comes_with_the_environment_is_there(name: str) -> None:
    assert lacks(DATASETS[name].params(name=name)) is None


def test_a_folder_of_images_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    path = write_classes(tmp_path / "photos", {"ant": 5, "bee": 5})
    choice = ImageFolder.model_validate({"name": "image-folder", "path": str(path), "size": 8})
    assert choice.lacks() is None
    (path / "bee" / "03.png").unlink()
    assert str(path / "bee" / "03.png") in str(choice.lacks())
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert "is not known in" in str(choice.lacks())
