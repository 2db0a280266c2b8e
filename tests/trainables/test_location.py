"""Places in an object store beside folders: the same questions get the same answers."""

import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.location import (
    Location,
    LocationError,
    beside,
    each,
    in_order,
    local_file,
    locate,
    parquet_source,
    relative,
    remove_tree,
)
from trainables.remote import READ_AHEAD, RemotePath
from trainables.s3 import connection, polars_options
from trainables.storage import SupersededError, create_exclusively, overwrite, publish


def put(path: Location, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def names(paths: object, root: Location) -> list[str]:
    return sorted(relative(path, root) for path in paths)  # type: ignore[attr-defined]


@pytest.fixture
def filled(place: Location) -> Location:
    for name in ("a/part-0.parquet", "a/part-10.parquet", "a/other.txt", "b/deep/er/part-0.parquet", "top.json"):
        put(place / name, name.encode())
    return place


def test_what_is_there(filled: Location) -> None:
    assert filled.exists()
    assert filled.is_dir()
    assert (filled / "a").is_dir()
    assert not (filled / "a").is_file()
    assert (filled / "top.json").is_file()
    assert not (filled / "top.json").is_dir()
    for name in ("to", "top", "a/part-1", "c", "b/deep/e"):
        assert not (filled / name).exists()


def test_listing(filled: Location) -> None:
    assert names(filled.iterdir(), filled) == ["a", "b", "top.json"]
    assert {path.name: path.is_dir() for path in filled.iterdir()} == {"a": True, "b": True, "top.json": False}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a", "b", "top.json"]),
        ("*.json", ["top.json"]),
        ("a/part-*.parquet", ["a/part-0.parquet", "a/part-10.parquet"]),
        ("a/part-?.parquet", ["a/part-0.parquet"]),
        ("*/part-*", ["a/part-0.parquet", "a/part-10.parquet"]),
        ("*/*/er/part-0.parquet", ["b/deep/er/part-0.parquet"]),
        ("*/deep", ["b/deep"]),
        ("c/*", []),
        ("top.json/*", []),
    ],
)
def test_globs(filled: Location, pattern: str, found: list[str]) -> None:
    assert names(filled.glob(pattern), filled) == found


def test_reading_and_missing(filled: Location) -> None:
    path = filled / "a" / "other.txt"
    assert path.read_bytes() == b"a/other.txt"
    assert path.read_text(encoding="utf-8") == "a/other.txt"
    assert path.stat().st_size == len("a/other.txt")
    with path.open("rb") as file:
        assert (file.seek(2), file.read(3), file.seek(-3, os.SEEK_END), file.read(), file.read()) == (
            2,
            b"oth",
            8,
            b"txt",
            b"",
        )
    missing = filled / "nothing"
    for attempt in (missing.read_bytes, missing.stat, lambda: missing.open("rb")):
        with pytest.raises(FileNotFoundError) as raised:
            attempt()
        assert str(raised.value.filename) == str(missing)


def test_deleting(filled: Location) -> None:
    (filled / "top.json").unlink()
    (filled / "top.json").unlink(missing_ok=True)
    remove_tree(filled / "b")
    assert names(filled.iterdir(), filled) == ["a"]


def test_names(place: Location) -> None:
    path = place / "x" / "part-3.parquet"
    assert (path.name, path.stem, path.suffix) == ("part-3.parquet", "part-3", ".parquet")
    assert path.parent.parent == place
    assert path.with_name("y") == place / "x" / "y"
    assert path.with_suffix(".csv").name == "part-3.csv"
    assert path.is_relative_to(place)  # type: ignore[arg-type]
    assert not place.is_relative_to(path)  # type: ignore[arg-type]
    assert relative(path, place) == "x/part-3.parquet"
    assert locate(str(path)) == path
    assert len({path, place / "x/part-3.parquet"}) == 1
    assert in_order([path, place / "x" / "a"])[0].name == "a"


def test_what_was_listed_has_its_size(filled: Location) -> None:
    (listed,) = (filled / "a").glob("other.*")
    assert listed.stat().st_size == len("a/other.txt")
    assert abs(listed.stat().st_mtime - (filled / "a" / "other.txt").stat().st_mtime) < 1


def test_an_object_is_no_file_of_this_machine(s3_prefix: Location) -> None:
    with pytest.raises(TypeError):
        os.stat(s3_prefix)  # type: ignore[arg-type] # noqa: PTH116


@given(st.lists(st.text("abz019._-=", min_size=1, max_size=8).filter(lambda part: part not in {".", ".."}), max_size=4))
def test_addresses_and_back(parts: list[str]) -> None:
    text = "/".join(["s3://some-bucket", *parts])
    assert str(locate(text)) == text
    assert locate(f"{text}/") == locate(text)
    assert locate(Path(text)) == locate(text)  # a Path has lost a slash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gs://bucket/x", "gs://"),
        ("http://host/x", "http://"),
        ("S4://bucket/x", "S4://"),
        ("s3://", "''"),
        ("s3://Bucket/x", "Bucket"),
        ("s3://a_b/x", "a_b"),
        ("s3://bucket/../x", "..", ),
        ("s3://key:secret@bucket/x", "credentials"),
    ],
)  # fmt: skip
def test_what_is_no_place(text: str, said: str) -> None:
    with pytest.raises(LocationError, match=said) as raised:
        locate(text)
    assert "secret@" not in str(raised.value)


def test_parquet_from_everywhere(place: Location) -> None:
    table = pa.table({"x": list(range(100_000))})
    with local_file(place / "t" / "part-0.parquet") as path:
        pq.write_table(table, path)
    target = place / "t" / "part-0.parquet"
    assert pq.read_table(parquet_source(target)).equals(table)
    with target.open("rb") as file, pq.ParquetFile(file) as opened:
        assert opened.metadata.num_rows == 100_000
        assert opened.read().equals(table)


@pytest.mark.parametrize("size", [0, 1, READ_AHEAD - 1, READ_AHEAD, READ_AHEAD + 1, 3 * READ_AHEAD + 5])
def test_files_of_every_length_are_read_alike(place: Location, size: int) -> None:
    path, content = place / "x", os.urandom(size)
    put(path, content)
    with path.open("rb") as file:
        assert file.seek(0, os.SEEK_END) == size
        for start in (0, 1, size // 2, size - READ_AHEAD - 1, size - READ_AHEAD, size - 4):
            if 0 <= start <= size:
                file.seek(start)
                assert file.read(7) == content[start : start + 7]
        file.seek(0)
        assert file.read() == content


def test_nothing_is_put_where_writing_failed(s3_prefix: Location) -> None:
    def half_written() -> None:
        with local_file(s3_prefix / "t") as path:
            path.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_written()
    assert not (s3_prefix / "t").exists()


def test_each_keeps_the_order_and_raises(place: Location) -> None:
    assert list(each(lambda x: x * x, range(100), place)) == [x * x for x in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(each(lambda x: 1 // x, [1, 0], place))


def test_logs_of_an_object_store_are_here(s3_prefix: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert beside(s3_prefix).is_relative_to(tmp_path)
    assert beside(tmp_path) == tmp_path


def test_publish_replaces(place: Location) -> None:
    for content in (b"one", b"two"):
        publish(place / "x" / "file", lambda file, content=content: file.write(content), tag="t")
        assert (place / "x" / "file").read_bytes() == content
    assert names((place / "x").iterdir(), place) == ["x/file"]


def test_publish_asks_its_fence(place: Location) -> None:
    def refuse() -> None:
        raise SupersededError

    with pytest.raises(SupersededError):
        publish(place / "x" / "file", lambda file: file.write(b"late"), tag="t", fence=refuse)
    assert not (place / "x" / "file").exists()


@pytest.mark.parametrize("theirs", [None, b"theirs"])
def test_who_loses_the_right_while_writing_takes_the_file_away_unless_it_is_another(
    place: Location, theirs: bytes | None
) -> None:
    """The fence is asked before and after; between the two somebody else takes over, and may write as well."""
    path, asked = place / "x" / "file", list[int]()

    def fence() -> None:
        asked.append(1)
        if len(asked) > 1:
            if theirs is not None:
                publish(path, lambda file: file.write(theirs), tag="theirs")
            raise SupersededError

    with pytest.raises(SupersededError):
        publish(path, lambda file: file.write(b"ours"), tag="t", fence=fence)
    assert path.exists() == (theirs is not None)
    assert theirs is None or path.read_bytes() == theirs


def test_a_file_left_by_a_late_writer_gives_way_to_the_owner(place: Location) -> None:
    path = place / "x" / "file"
    put(path, b"late")
    publish(path, lambda file: file.write(b"owner"), tag="t", fence=lambda: None)
    assert path.read_bytes() == b"owner"


def test_one_of_many_creates(place: Location) -> None:
    start, won = threading.Barrier(8), list[int]()

    def race(number: int) -> None:
        start.wait()
        if create_exclusively(place / "claims" / "0", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (place / "claims" / "0").read_bytes() == str(won[0]).encode()


def test_a_put_whose_answer_was_lost_counts_as_made(s3_prefix: Location) -> None:
    put(s3_prefix / "0", b"ours")
    assert create_exclusively(s3_prefix / "0", b"ours")
    assert not create_exclusively(s3_prefix / "0", b"other")


def test_overwriting_never_makes_anew(place: Location) -> None:
    put(place / "claim", b"abc")
    overwrite(place / "claim", b"xyz")
    assert (place / "claim").read_bytes() == b"xyz"
    (place / "claim").unlink()
    with pytest.raises(FileNotFoundError):
        overwrite(place / "claim", b"abc")
    assert not (place / "claim").exists()


def test_conditional_puts(s3_prefix: Location) -> None:
    assert isinstance(s3_prefix, RemotePath)
    path = s3_prefix / "x"
    first = path.write_new(b"one")
    assert first
    assert path.write_new(b"two") is None
    assert path.write_over(b"two", first)
    assert path.write_over(b"three", first) is None
    assert path.read_bytes() == b"two"


def test_a_missing_bucket_and_a_silent_server_are_os_errors(
    s3_prefix: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        RemotePath("not-a-bucket").reach()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="the object store failed"):
        RemotePath("bucket").reach()


def test_a_machine_without_keys_is_told_so(
    s3_prefix: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last place that is asked for keys is an address that answers in a cloud only."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    assert isinstance(s3_prefix, RemotePath)
    with pytest.raises(OSError, match="no credentials"):
        s3_prefix.reach()


def test_where_keys_and_endpoints_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert connection() == {}
    aws = tmp_path / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id = k0\naws_secret_access_key = s0\naws_session_token = t0\n"
        "[lab]\naws_access_key_id = k1\naws_secret_access_key = s1\n"
    )
    (aws / "config").write_text("[default]\nregion = eu-north-1\n[profile lab]\nendpoint_url = https://lab\n")
    assert connection() == {
        "access_key_id": "k0",
        "secret_access_key": "s0",
        "session_token": "t0",
        "region": "eu-north-1",
    }
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert connection() == {"access_key_id": "k1", "secret_access_key": "s1", "endpoint": "https://lab"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://here:1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert connection() == {
        "access_key_id": "k2",
        "secret_access_key": "s2",
        "region": "us-west-2",
        "endpoint": "http://here:1",
    }
    assert polars_options() == {
        "aws_access_key_id": "k2",
        "aws_secret_access_key": "s2",
        "aws_region": "us-west-2",
        "aws_endpoint_url": "http://here:1",
        "aws_allow_http": "true",
    }


def test_keys_of_two_places_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session token of the files would spoil keys of the environment."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "credentials").write_text("[default]\naws_session_token = old\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    assert "session_token" not in connection()
