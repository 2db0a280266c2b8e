"""Connections to an object store that end in the middle: what was put is there, once, and its owner knows it."""

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.proxy import Cut, Proxy
from trainables.location import Location
from trainables.remote import RemotePath
from trainables.storage import SupersededError, create_exclusively, overwrite, publish, remove

CUTS: tuple[Cut, ...] = ("request", "answer", "half-answer")


@pytest.fixture
def proxy(s3_prefix: Location, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Between this process and the server."""
    del s3_prefix  # the server's environment is set
    there = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    assert there.hostname is not None
    assert there.port is not None
    found = Proxy(there.hostname, there.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    yield found
    found.close()


@pytest.fixture
def path(s3_prefix: Location, proxy: Proxy) -> RemotePath:
    """An object, reached through the proxy."""
    del proxy
    assert isinstance(s3_prefix, RemotePath)
    return s3_prefix / "object"


def owned() -> None:
    """The fence of the rightful owner."""


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"new"),
        lambda path: overwrite(path, b"new"),
        lambda path: publish(path, lambda file: file.write(b"new"), tag="t"),
        lambda path: publish(path, lambda file: file.write(b"new"), tag="t", fence=owned),
    ],
    ids=["write", "overwrite", "publish", "publish-fenced"],
)
def test_a_write_over_another(path: RemotePath, proxy: Proxy, cut: Cut, write: Callable[[RemotePath], object]) -> None:
    path.write_bytes(b"old")
    proxy.lose(cut, "PUT")
    write(path)
    assert path.read_bytes() == b"new"
    assert proxy.lost == {cut: 1}


@pytest.mark.parametrize("cut", CUTS)
def test_a_claim_is_made_and_known_to_be_ours(path: RemotePath, proxy: Proxy, cut: Cut) -> None:
    proxy.lose(cut, "PUT")
    assert create_exclusively(path, b"ours")
    assert not create_exclusively(path, b"theirs")
    assert path.read_bytes() == b"ours"
    assert proxy.lost == {cut: 1}


@pytest.mark.parametrize("cut", CUTS)
def test_reading_and_deleting(path: RemotePath, proxy: Proxy, cut: Cut) -> None:
    content = os.urandom(200_000)
    path.write_bytes(content)
    proxy.lose(cut, "GET")
    assert path.read_bytes() == content
    proxy.lose(cut, "GET")
    assert [found.name for found in path.parent.iterdir()] == ["object"]
    proxy.lose(cut, "POST")  # deletes are put so
    path.unlink()
    assert not path.exists()
    assert proxy.lost == {cut: 3}


def test_a_late_put_does_not_replace_what_the_new_owner_has_put(path: RemotePath) -> None:
    """Both find an older file in the way; the late one is still ours when it asks, and no more when it puts."""
    path.write_bytes(b"older")
    asked = list[int]()

    def fence() -> None:
        asked.append(1)
        if len(asked) == 2:
            path.write_bytes(b"theirs")  # between being asked and putting
        if len(asked) > 2:
            raise SupersededError

    with pytest.raises(SupersededError):
        publish(path, lambda file: file.write(b"late"), tag="t", fence=fence)
    assert path.read_bytes() == b"theirs"


def test_only_the_owner_deletes(place: Location) -> None:
    path = place / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")

    def refuse() -> None:
        raise SupersededError

    with pytest.raises(SupersededError):
        remove(path, refuse)
    assert path.exists()
    remove(path, owned)
    assert not path.exists()
    remove(path, owned)


def test_a_delete_that_was_not_answered_is_not_repeated_for_somebody_else(path: RemotePath, proxy: Proxy) -> None:
    """Cut off while deleting; when the store is reached again, another owns the trial."""
    path.write_bytes(b"theirs")
    asked = list[int]()

    def fence() -> None:
        asked.append(1)
        if len(asked) == 1:
            proxy.refuse()
            return
        proxy.accept()
        raise SupersededError

    with pytest.raises(SupersededError):
        remove(path, fence)
    assert path.read_bytes() == b"theirs"
