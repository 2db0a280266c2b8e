"""Servers that do not honour conditional puts are refused before anything runs; those that do are not."""

import pytest

from orchestrator.errors import UserError
from orchestrator.store import create_store
from tests.files import files
from tests.object_store import new_prefix, s3_server
from trainables.location import Location, locate
from trainables.remote import RemotePath


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_a_condition(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(deaf_to=[header]) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        prefix = new_prefix()
        with pytest.raises(UserError, match=f"ignores {header}") as raised:
            create_store(prefix)
        assert prefix in str(raised.value)
        assert "\n" not in str(raised.value)
        assert files(locate(prefix)) == []


@pytest.mark.parametrize("answer", ["refuses", "quotes"])
def test_tags_with_and_without_quotes(s3_prefix: Location, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Ceph's gateway knows a tag without its quotation marks only; a server that knows neither is refused."""
    plain = RemotePath._put

    def put(path: RemotePath, content: bytes, mode: object) -> str | None:
        if isinstance(mode, dict):
            if answer == "refuses" or mode["e_tag"].startswith('"'):
                return None
            mode = {"e_tag": f'"{mode["e_tag"]}"'}
        return plain(path, content, mode)

    monkeypatch.setattr(RemotePath, "_put", put)
    if answer == "refuses":
        with pytest.raises(UserError, match="refuses If-Match"):
            create_store(s3_prefix)
    else:
        assert create_store(s3_prefix).exists


def test_nothing_is_left_where_conditions_hold(s3_prefix: Location) -> None:
    create_store(s3_prefix)
    assert files(s3_prefix) == ["_store.json"]
    create_store(s3_prefix)
    assert files(s3_prefix) == ["_store.json"]
