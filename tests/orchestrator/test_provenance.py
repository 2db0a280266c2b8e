"""Provenance: what is recorded, and that secrets are not."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.provenance import collect, git_state
from orchestrator.redaction import HIDDEN, redact

HEX40 = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["coherence", "run", "demo"], ["coherence", "run", "demo"]),
        (["--store", "results/my-run_2"], ["--store", "results/my-run_2"]),
        (["--key=abc"], [f"--key={HIDDEN}"]),
        (["--api-key", "abc", "run"], ["--api-key", HIDDEN, "run"]),
        (["--token", "--store", "r"], ["--token", "--store", "r"]),
        (["--password=a=b"], [f"--password={HIDDEN}"]),
        (["WANDB_API_KEY=abc", "x"], [f"WANDB_API_KEY={HIDDEN}", "x"]),
        (["AWS_SECRET_ACCESS_KEY=x"], [f"AWS_SECRET_ACCESS_KEY={HIDDEN}"]),
        (["--address=ray://me:pw@host:10001"], [f"--address=ray://{HIDDEN}@host:10001"]),
        (["https://user@host/path"], [f"https://{HIDDEN}@host/path"]),
        (["https://host/p@q"], ["https://host/p@q"]),
        (["s3://b/k?X-Amz-Signature=f00&a=1"], [f"s3://b/k?X-Amz-Signature={HIDDEN}&a=1"]),
        (["Authorization: Bearer abc.def"], [f"Authorization: Bearer {HIDDEN}"]),
        ([HEX40], [HIDDEN]),
        (["hf_abcdefghijklmnopqrst"], [HIDDEN]),
        (["x=ghp_abcdefghijklmnop1234"], [f"x={HIDDEN}"]),
        (["sk-abcdefghijklmnop1234"], [HIDDEN]),
        (["AKIAABCDEFGHIJKLMNOP"], [HIDDEN]),
        (["eyJhbGci.eyJzdWIi.c2ln"], [HIDDEN]),
        (["cdf0009b3b62"], ["cdf0009b3b62"]),
        (["--keyboard=us", "monkey=1"], ["--keyboard=us", "monkey=1"]),
        (["/opt/keys/a=b"], ["/opt/keys/a=b"]),
        ([], []),
    ],
)
def test_redaction(given: list[str], expected: list[str]) -> None:
    assert redact(given) == expected


def test_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", HEX40)
    monkeypatch.setenv("SOME_VARIABLE", "never-stored")
    monkeypatch.setattr("sys.argv", ["coherence", "run", "demo", "--token=abc"])
    text = collect(tmp_path)
    content = json.loads(text)
    assert text == json.dumps(content, sort_keys=True)
    assert content["command"] == ["coherence", "run", "demo", f"--token={HIDDEN}"]
    assert content["versions"]["pyarrow"]
    assert len(content["sources"]) == 64
    assert content["host"]
    assert content["store"] == str(tmp_path)
    assert HEX40 not in text
    assert "never-stored" not in text


def git(folder: Path, *arguments: str) -> str:
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one package in it."""
    package = tmp_path / "orchestrator"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_commit_and_dirty_flag(checkout: Path) -> None:
    package = checkout / "orchestrator"
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_state(package) == {"commit": commit, "dirty": False}
    (checkout / "notes.txt").write_text("beside the packages", encoding="utf-8")
    assert git_state(package) == {"commit": commit, "dirty": False}
    (package / "new.py").write_text("x = 1\n", encoding="utf-8")
    assert git_state(package) == {"commit": commit, "dirty": True}


def test_a_copy_below_another_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / "lib" / "orchestrator"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("", encoding="utf-8")
    assert git_state(installed) is None


def test_without_git_there_is_no_commit_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert json.loads(collect(tmp_path))["git"] is None
