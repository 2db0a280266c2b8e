"""`compact --anonymous`: nothing in the copy says whose machine it was, and the numbers stay."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.anonymous import Names
from orchestrator.store import COMPACTED, Store
from tests.orchestrator.fakes import FakeTrial, nothing
from trainables.records import CURVES, part_path

Coherence = Callable[..., tuple[int, str, str]]

HOST, USER, ELSEWHERE, COLLEAGUE = "thinking-rock", "ada.lovelace", "node-17.cluster.example", "grace"
SWEEP = f"""\
# by {USER} on {HOST}, data in /home/{COLLEAGUE}/data
name: published
description: Trials of {USER}.
axes: {{seed: [0, 1]}}
fixed:
  {{dataset: digits, model: {{name: mlp, widths: [8]}}, optimizer: {{name: sgd, lr: 0.1}}, batch_size: 50, epochs: 1}}
"""


@pytest.fixture
def private(
    coherence: Coherence, fake_trial: FakeTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Store, Path]:
    """A store below the home folder of a user, in which a trial failed first; and that home folder."""
    home = tmp_path / "homes" / USER
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("getpass.getuser", lambda: USER)
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    (home / "published.yaml").write_text(SWEEP)

    def fail(part: int) -> None:
        raise RuntimeError(f"{home}/data/x is missing on {HOST} for {USER}; so is /home/{COLLEAGUE}/data ({ELSEWHERE})")

    fake_trial.before = fail
    assert coherence("run", home / "published.yaml", "--local", "--store", home / "store")[0] == 1
    fake_trial.before = nothing
    monkeypatch.setattr("socket.gethostname", lambda: ELSEWHERE)
    assert coherence("run", home / "published.yaml", "--local", "--store", home / "store")[0] == 0
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    return Store(home / "store"), home


def decoded(root: Path) -> str:
    """Every value and all metadata of every file, and every name of a file."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        found.append(str(path.relative_to(root)))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found += [str(table.schema.metadata), str(table.schema), json.dumps(table.to_pylist())]
        else:
            found.append(path.read_text())
    return "\n".join(found)


def test_no_name_is_left(coherence: Coherence, private: tuple[Store, Path], tmp_path: Path) -> None:
    store, home = private
    said = decoded(store.root)
    secrets = (HOST, USER, ELSEWHERE, "node-17", COLLEAGUE, str(home))
    assert all(secret in said for secret in secrets)
    copy = tmp_path / "copy"
    assert coherence("compact", "--anonymous", "--store", store.root, "--out", copy)[0] == 0
    said = decoded(copy)
    assert [secret for secret in secrets if secret in said] == []
    raw = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret.encode() in raw] == []


def test_numbers_stay(coherence: Coherence, private: tuple[Store, Path], tmp_path: Path) -> None:
    store, copies = private[0], {}
    for name, options in {"plain": (), "anonymous": ("--anonymous",)}.items():
        copies[name] = tmp_path / name
        assert coherence("compact", *options, "--store", store.root, "--out", copies[name])[0] == 0
    changed = {"attempts": {"host", "pid", "message"}, "trials": {"provenance"}, "sweeps": {"definition"}}
    for table in ("trials", "attempts", *CURVES, "sweeps"):
        files = [
            copy / "sweeps/published/0.parquet" if table == "sweeps" else part_path(copy, table, COMPACTED, 0)
            for copy in copies.values()
        ]
        assert [file.exists() for file in files] in ([True, True], [False, False])
        if files[0].exists():
            plain, anonymous = (pq.read_table(file) for file in files)
            assert plain.schema.equals(anonymous.schema, check_metadata=True)
            kept = [name for name in plain.column_names if name not in changed.get(table, set())]
            assert plain.select(kept).equals(anonymous.select(kept)), table


def test_the_copy_is_a_store(coherence: Coherence, private: tuple[Store, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert coherence("compact", "--anonymous", "--store", private[0].root, "--out", copy)[0] == 0
    status = json.loads(coherence("status", "published", "--json", "--store", copy)[1])
    assert (status["planned"], status["done"]) == (2, 2)
    assert coherence("plan", "published", "--store", copy)[0] == 0
    [trial, _] = pq.read_table(part_path(copy, "trials", COMPACTED, 0)).to_pylist()
    provenance = json.loads(trial["provenance"])
    assert provenance["versions"]["numpy"]
    assert not {"host", "command", "store"} & provenance.keys()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("/home/ada/x.py, line 3", "~/x.py, line 3"),
        ("File '/Users/ada/x.py'", "File '~/x.py'"),
        (r"C:\Users\ada\x.py", r"~\x.py"),
        ("/root/.cache/x", "~/.cache/x"),
        ("/mnt/root/x, /rooted", "/mnt/root/x, /rooted"),
        ("/data/ada/x on rock-1", "/data/user/x on host"),
        ("Canada, adamant", "Canada, adamant"),
        ("/srv/me/x", "~/x"),
    ],
)
def test_what_is_cleaned(text: str, cleaned: str) -> None:
    assert Names("/srv/me", frozenset({"ada"}), frozenset({"rock-1"})).clean(text) == cleaned
