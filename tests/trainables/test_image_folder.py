"""image-folder: identity by content, both layouts, and what is said of folders that cannot be used."""

import logging
import shutil

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.trainables.photos import pixels_of, write, write_classes
from tests.trainables.specs import quick
from trainables.datasets import DATASETS, facts_of, manifest
from trainables.datasets.folder import VARIABLE, MissingDataError
from trainables.datasets.folders import ImageFolder
from trainables.datasets.image_folder import _reader
from trainables.datasets.manifest import known, register
from trainables.registry import load
from trainables.spec import canonical_json, parse_spec, trial_id


@pytest.fixture(autouse=True)
def _known_here(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    yield
    _reader.cache_clear()
    manifest._head.cache_clear()


@pytest.fixture
def photos(tmp_path):
    return write_classes(tmp_path / "photos", {"ant": 10, "bee": 5, "cat": 5})


def chosen(path, **parameters):
    return ImageFolder.model_validate({"name": "image-folder", "path": str(path), "size": 8, **parameters})


def read(choice):
    return load(DATASETS["image-folder"])(choice)


def everything(x):
    return x.take(range(len(x)))


def spec_of(path, **overrides):
    dataset = {"name": "image-folder", "path": str(path), "size": 8}
    return quick(dataset=dataset, batch_size=4, **{"measure": {"probe": None}, **overrides})


def test_images_of_their_own_size_are_their_pixels(photos):
    choice = chosen(photos)
    facts, arrays = facts_of(choice), read(choice)
    assert (facts.shape, facts.classes, facts.train, facts.test) == ((3, 8, 8), 3, 16, 4)
    held_out = {"ant": [0, 5], "bee": [0], "cat": [0]}  # evenly spread over sorted names
    for x, y, wanted in ((arrays.train_x, arrays.train_y, False), (arrays.test_x, arrays.test_y, True)):
        expected = [
            (label, k)
            for label, (name, count) in enumerate({"ant": 10, "bee": 5, "cat": 5}.items())
            for k in range(count)
            if (k in held_out[name]) == wanted
        ]
        assert y.tolist() == [label for label, _ in expected]
        images = np.stack([pixels_of(label, k).transpose(2, 0, 1) for label, k in expected])
        np.testing.assert_array_equal(everything(x), images.astype(np.float32) / np.float32(255))


def test_train_and_test_folders_are_the_split(tmp_path):
    write_classes(tmp_path / "p/train", {"ant": 3, "bee": 2})
    write_classes(tmp_path / "p/test", {"ant": 1, "bee": 2}, start=50)
    arrays = read(chosen(tmp_path / "p"))
    assert arrays.train_y.tolist() == [0, 0, 0, 1, 1]
    assert arrays.test_y.tolist() == [0, 1, 1]
    expected = np.stack([pixels_of(*pair).transpose(2, 0, 1) for pair in ((0, 50), (1, 50), (1, 51))])
    np.testing.assert_array_equal(everything(arrays.test_x), (expected / 255).astype(np.float32))


def test_the_largest_centred_square_is_scaled(tmp_path):
    wide = pixels_of(0, 0, 6, 10)
    write(tmp_path / "p/a/0.png", wide)
    write(tmp_path / "p/a/1.png", wide)
    write(tmp_path / "p/b/0.png", np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8))
    write(tmp_path / "p/b/1.png", np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8))
    six, tiny = (read(chosen(tmp_path / "p", size=size, test_share=0.5)) for size in (6, 3))
    np.testing.assert_array_equal(six.train_x.read(0), (wide[:, 2:8].transpose(2, 0, 1) / 255).astype(np.float32))
    assert tiny.train_x.shape == (2, 3, 3, 3)
    gray = read(chosen(tmp_path / "p", size=3, gray=True, test_share=0.5))
    np.testing.assert_array_equal(gray.train_x.read(1), np.full((1, 3, 3), np.float32(76) / np.float32(255)))


def test_the_path_is_no_part_of_a_trial(photos, tmp_path):
    spec = spec_of(photos)
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    assert trial_id(spec_of(moved)) == trial_id(spec)
    assert str(tmp_path) not in canonical_json(spec)
    assert "path" not in canonical_json(spec)
    again = parse_spec(canonical_json(spec))
    assert again == spec
    assert trial_id(again) == trial_id(spec)
    assert spec.dataset.digest == register(photos)


def test_a_pinned_digest(tmp_path):
    """Content, not encoder: the bytes of the files are given."""
    files = [manifest.File(name, 1, 0, "ab" * 32) for name in ("ant/e\u0301.png", "bee/0.png")]
    composed = [manifest.File("ant/\u00e9.png", 1, 5, "ab" * 32), files[1]]
    assert manifest.content_digest(files) == manifest.content_digest(composed)
    assert manifest.content_digest(files) == "2f54e7543421809a32e73b9b62ed4815961662b946b900ef807f0f6213e19647"


@pytest.mark.parametrize("change", ["content", "name", "class", "fewer"])
def test_any_change_of_content_is_another_data_set(photos, change):
    before, first = register(photos), photos / "ant/00.png"
    if change == "content":
        write(first, pixels_of(7, 7)).touch()
    elif change == "fewer":
        first.unlink()
    else:
        first.rename(photos / ("ant/99.png" if change == "name" else "bee/00b.png"))
    assert register(photos) != before


def test_what_did_not_change_is_not_read_again(photos, monkeypatch):
    before, looked = register(photos), []
    monkeypatch.setattr(manifest, "check", looked.append)
    assert register(photos) == before
    assert looked == []
    write(photos / "ant/77.png", pixels_of(7, 7))
    assert register(photos) != before
    assert len(looked) == 1


def test_a_file_that_was_just_written_is_not_trusted_by_its_time(photos):
    fresh = photos / "ant/00.png"
    fresh.touch()
    register(photos)
    row = next(file for file in manifest.files_of(register(photos)) if file.name == "ant/00.png")
    assert row.mtime_ns == 0


def test_names_are_unicode_and_links_are_followed(photos, tmp_path):
    write(photos / "ünïcode 名前/ß→.png", pixels_of(0, 1))
    (photos / "ünïcode 名前/link.png").symlink_to(photos / "ant/00.png")
    choice = chosen(photos, test_share=0.5)
    assert known(choice.digest).classes == ("ant", "bee", "cat", "ünïcode 名前")
    assert facts_of(choice).classes == 4
    assert len(everything(read(choice).train_x)) == facts_of(choice).train


def test_what_is_no_image_is_left_out_and_named(photos, caplog):
    before = register(photos)
    for name in ("ant/notes.txt", "README", "bee/.hidden.png"):
        (photos / name).write_text("words")
    (photos / ".git").mkdir()
    with caplog.at_level(logging.WARNING):
        assert register(photos) == before
    assert [record.getMessage() for record in caplog.records] == [
        f"{photos}: left out, being no image in a class: README, notes.txt (2 in all)"
    ]


def _truncated(root):
    path = root / "ant/03.jpg"
    Image.fromarray(np.kron(pixels_of(0, 3), np.ones((9, 9, 1), dtype=np.uint8))).save(path)
    path.write_bytes(path.read_bytes()[:-900])


def _deep(root):
    Image.fromarray(np.full((8, 8), 1000, dtype=np.uint16)).save(root / "ant/deep.png")


def _loop(root):
    (root / "loop").symlink_to(root)


def _only_one_class(root):
    shutil.rmtree(root / "bee")
    shutil.rmtree(root / "cat")


def _with_test_class(root, train, test):
    for name in ("ant", "bee", "cat"):
        shutil.rmtree(root / name)
    write_classes(root / "train", train)
    write_classes(root / "test", test)


MUST_REFUSE = {
    "missing": (shutil.rmtree, "is not there; expected a folder of CLASS"),
    "a file": (lambda root: (shutil.rmtree(root), root.write_text("x")), "is a file; expected a folder"),
    "empty": (lambda root: (shutil.rmtree(root), root.mkdir()), "has no images in folders of classes"),
    "images without classes": (
        lambda root: (shutil.rmtree(root), write(root / "0.png", pixels_of(0, 0))),
        r"no images in folders of classes \(only 0.png\)",
    ),
    "one class": (_only_one_class, "has one class, 'ant'; expected at least two"),
    "a class without images": (lambda root: (root / "dog").mkdir(), "class dog in .* has no image"),
    "a truncated image": (_truncated, "ant/03.jpg cannot be decoded .*; repair or remove it"),
    "words named as an image": (lambda root: (root / "ant/x.png").write_text("x"), "ant/x.png cannot be decoded"),
    "an empty image": (lambda root: (root / "ant/x.png").touch(), "ant/x.png cannot be decoded"),
    "a program under an image's name": (
        lambda root: Image.fromarray(pixels_of(0, 0)).save(root / "ant/x.png", format="EPS"),
        "ant/x.png cannot be decoded .its content is no image that can be recognised",
    ),
    "16 bits": (_deep, "ant/deep.png cannot be decoded .it has more than 8 bits"),
    "a broken link": (lambda root: (root / "ant/x.png").symlink_to("nowhere"), "ant/x.png is a broken link"),
    "a loop of links": (_loop, "loop/ant in .* is a folder where an image should be"),
    "a third part": (
        lambda root: (write_classes(root / "train", {"ant": 1}), write_classes(root / "test", {"ant": 1})),
        "has a folder 'ant' beside train and test",
    ),
    "a class in test alone": (
        lambda root: _with_test_class(root, {"ant": 1, "bee": 1}, {"dog": 1}),
        "class 'dog' of .*/test is not in .*/train",
    ),
    "nothing to test on": (
        lambda root: (_with_test_class(root, {"ant": 1, "bee": 1}, {}), (root / "test").mkdir()),
        "/test has no image",
    ),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(case, photos):
    spoil, message = MUST_REFUSE[case]
    spoil(photos)
    with pytest.raises(ValidationError, match=message) as caught:
        chosen(photos)
    assert len(caught.value.errors()) == 1
    assert "\n" not in caught.value.errors()[0]["msg"]


BAD_PARAMETERS = {
    "no path": ({"path": None}, "given no 'path'"),
    "a number for a path": ({"path": 3}, "expected the path of a folder"),
    "no size": ({"size": None}, "valid integer"),
    "size of zero": ({"size": 0}, "greater than or equal to 1"),
    "text for gray": ({"gray": "yes"}, "valid boolean"),
    "all for testing": ({"test_share": 1.0}, "less than 1"),
    "no test image": ({"test_share": 0.01}, "test_share 0.01 leaves no test image"),
    "no training image": ({"test_share": 0.95}, "leaves no training image of class 'ant'"),
    "a digest that is no text": ({"digest": 7}, "given 7, expected 64 digits"),
    "another digest": ({"digest": "0" * 64}, "has digest .*; leave out the one that is wrong"),
    "a digest that is none": ({"path": None, "digest": "abc"}, "given 'abc', expected 64 digits"),
    "an unknown digest": (
        {"path": None, "digest": "0" * 64},
        f"digest {'0' * 64} is not known in .*'path:'.*{VARIABLE}",
    ),
    "too many": ({"train_examples": 17}, "train_examples 17 is more than the 16 of image-folder"),
    "a class it lacks": ({"classes": [0, 3]}, "no class 3 in image-folder; it has 0 to 2"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_parameters_that_cannot_be_are_refused(case, photos):
    parameters, message = BAD_PARAMETERS[case]
    given = {"name": "image-folder", "path": str(photos), "size": 8, **parameters}
    with pytest.raises(ValidationError, match=message):
        ImageFolder.model_validate({key: value for key, value in given.items() if value is not None or key == "size"})


def test_a_share_beside_a_test_folder_is_refused(tmp_path):
    for part in ("train", "test"):
        write_classes(tmp_path / "p" / part, {"ant": 2, "bee": 2})
    with pytest.raises(ValidationError, match="has a test folder of its own"):
        chosen(tmp_path / "p", test_share=0.3)


def test_a_folder_forgotten_by_the_machine_is_an_error_that_says_what_to_do(photos, monkeypatch, tmp_path):
    choice = chosen(photos)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "another"))
    for use in (facts_of, read):
        with pytest.raises(MissingDataError, match=f"{choice.digest} is not known in .*'path:'.*{VARIABLE}"):
            use(choice)


@pytest.mark.parametrize("moment", ["before it is opened", "while it is used"])
@pytest.mark.parametrize("change", ["content", "gone"])
def test_a_file_that_is_no_longer_what_it_was_is_refused(photos, moment, change):
    choice, victim = chosen(photos), photos / "cat/03.png"
    arrays = read(choice) if moment == "while it is used" else None
    if change == "content":
        write(victim, pixels_of(9, 9))
        victim.touch()
    else:
        victim.unlink()
    with pytest.raises(MissingDataError, match=r"cat/03\.png is missing or not what it was"):
        everything((arrays or read(choice)).train_x)


def test_a_file_that_was_only_touched_is_as_good_as_before(photos):
    choice = chosen(photos)
    (photos / "cat/03.png").touch()
    assert len(everything(read(choice).train_x)) == 16


def test_another_place_of_the_same_content_is_used_once_it_is_given(photos, tmp_path):
    choice = chosen(photos)
    before = everything(read(choice).train_x)
    photos.rename(tmp_path / "moved")
    chosen(tmp_path / "moved")
    np.testing.assert_array_equal(everything(read(choice).train_x), before)


def test_subsets_of_a_folder(photos):
    choice = chosen(photos, classes=[0, 2], balance="equal", train_examples=6)
    arrays = read(choice)
    assert facts_of(choice).train == 6
    assert np.bincount(arrays.train_y).tolist() == [3, 3]
    assert np.bincount(arrays.test_y).tolist() == [2, 1]


def test_pictures_of_every_kind_become_three_channels(tmp_path):
    base = Image.fromarray(pixels_of(0, 0))
    (tmp_path / "p/a").mkdir(parents=True)
    for k, mode in enumerate(("1", "L", "LA", "P", "RGB", "RGBA")):
        base.convert(mode).save(tmp_path / f"p/a/{k}.png")
    base.convert("CMYK").save(tmp_path / "p/a/cmyk.jpg")
    base.convert("P").save(tmp_path / "p/a/p.gif", transparency=0)
    write_classes(tmp_path / "p", {"b": 3})
    arrays = read(chosen(tmp_path / "p"))
    x = everything(arrays.train_x)
    assert x.shape[1:] == (3, 8, 8)
    assert x.min() >= 0
    assert x.max() <= 1
    rgba = x[3]  # 0 and 4 of the eight are held out
    np.testing.assert_array_equal(rgba, pixels_of(0, 0).transpose(2, 0, 1) / np.float32(255))


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    write_classes(tmp_path / "p", {"a": 2, "b": 2})
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels_of(0, 0)[::-1, ::-1]).save(tmp_path / "p/a/01.png", exif=exif)
    x = everything(read(chosen(tmp_path / "p", test_share=0.5)).train_x)
    np.testing.assert_array_equal(x[0], pixels_of(0, 0).transpose(2, 0, 1) / np.float32(255))
