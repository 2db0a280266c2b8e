"""Downloaded data sets: where they lie, what is read, and what is said when they are missing."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.image_files import TEST, TRAIN, labels_of, pixels_of, write_files
from trainables.datasets import DATASETS
from trainables.datasets.folder import VARIABLE, MissingDataError, data_root, ensure_files
from trainables.datasets.vision import READERS, expected_files
from trainables.registry import load

NAMES = pytest.mark.parametrize("name", READERS)


def read(name):
    return load(DATASETS[name])(DATASETS[name].params(name=name))


@NAMES
def test_images_are_read_in_order_and_scaled(name, small_downloads):
    arrays = read(name)
    for x, y, count in ((arrays.train_x, arrays.train_y, TRAIN), (arrays.test_x, arrays.test_y, TEST)):
        np.testing.assert_array_equal(x, (pixels_of(name, count) / 255).astype(np.float32))
        assert y.tolist() == labels_of(count)
        assert not x.flags.writeable


def test_a_process_reads_its_data_set_once(small_downloads):
    assert read("mnist").train_x is read("mnist").train_x


@NAMES
def test_files_that_are_not_the_originals_are_refused(name, small_downloads):
    file = small_downloads / expected_files(name)[0]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MissingDataError, match="cannot be read") as caught:
        read(name)
    assert str(small_downloads) in str(caught.value)
    assert VARIABLE in str(caught.value)


def test_another_number_of_images_is_refused(small_downloads, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv(VARIABLE, str(small_downloads))
    with pytest.raises(MissingDataError, match=r"Expected 60000 training and 10000 test.*") as caught:
        read("mnist")
    assert f"({TRAIN}, 1, 28, 28)" in str(caught.value)


@NAMES
def test_without_files_and_network_one_error_says_what_to_do(name, tmp_path, monkeypatch):
    def offline(root, download=False, **rest):
        raise RuntimeError("Tried everything, got:\nno route to host")

    for attribute in ("base_folder", "train_list", "test_list", "meta", "resources", "__name__"):
        if hasattr(READERS[name], attribute):
            setattr(offline, attribute, getattr(READERS[name], attribute))
    files = expected_files(name)
    monkeypatch.setitem(READERS, name, offline)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    with pytest.raises(MissingDataError) as caught:
        read(name)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(tmp_path / "data"), *files, VARIABLE, "no route to host"):
        assert part in message


def test_a_download_appears_whole_and_leaves_nothing_else(tmp_path):
    ensure_files("mnist", tmp_path, expected_files("mnist"), lambda folder: write_files("mnist", folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mnist.lock", "MNIST"]
    ensure_files("mnist", tmp_path, expected_files("mnist"), pytest.fail)


def test_an_incomplete_set_is_completed(tmp_path):
    write_files("mnist", tmp_path)
    lost = tmp_path / expected_files("mnist")[2]
    lost.unlink()
    ensure_files("mnist", tmp_path, expected_files("mnist"), lambda folder: write_files("mnist", folder))
    assert lost.is_file()


def _fetch(root: Path) -> None:
    def download(folder: Path) -> None:
        (root / "downloads").open("a").write("one\n")
        write_files("mnist", folder)

    ensure_files("mnist", root, expected_files("mnist"), download)


def test_processes_that_start_together_download_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fetch, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert (tmp_path / "downloads").read_text() == "one\n"


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MissingDataError, match=VARIABLE):
        ensure_files("mnist", tmp_path / "file", ["MNIST/raw/x"], pytest.fail)


def test_the_folder_is_the_variable_or_the_cache(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert data_root() == Path.home() / ".cache" / "gradient-coherence"
    monkeypatch.setenv(VARIABLE, "~/somewhere")
    assert data_root() == Path.home() / "somewhere"
