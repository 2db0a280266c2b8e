"""A sweep file, or a store, from somebody else: no name in it leads out of the store, and no text in it runs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.revisions import newest_revision
from orchestrator.store import Store
from orchestrator.yaml_file import MAX_BYTES, parse_yaml

Coherence = Callable[..., tuple[int, str, str]]

SWEEP = """\
name: inside
axes: {seed: [0]}
fixed: {dataset: digits, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1}
scales: {laptop: {fixed: {epochs: 2}}}
"""
HOSTILE_NAMES = [
    *(
        "../x",
        "..",
        ".",
        "/etc/x",
        "a/b",
        "a/../b",
        r"a\b",
        r"C:\x",
        "~/x",
        "$HOME",
        "-x",
        ".hidden",
        "_store.json",
        "x" * 65,
    ),
    *("'x\\0y'", '"x\\ny"', '"x\\n"', "'x '", "X", "x%2fy", "x;y", "é", "'<script>'", "'x:y'", "s3://bucket/x", "''"),
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("where", ["name: inside", "laptop", "collection"])
def test_names_that_would_be_folders(name: str, where: str, coherence: Coherence, tmp_path: Path) -> None:
    texts = {
        "name: inside": SWEEP.replace("name: inside", f"name: {name}", 1),
        "laptop": SWEEP.replace("{laptop:", f"{{? {name} :" if name.startswith(("'", '"')) else f"{{? '{name}' :"),
        "collection": f"name: inside\nsweeps: [{name}]"
        if name.startswith(("'", '"'))
        else f"name: c\nsweeps: ['{name}']",
    }
    file = tmp_path / "work" / "sweep.yaml"
    file.parent.mkdir()
    file.write_text(texts[where])
    before = sorted(tmp_path.rglob("*"))
    code, out, err = coherence("run", file, "--local", "--store", tmp_path / "work" / "store")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("verb", ["run", "plan", "status", "retry", "failures"])
@pytest.mark.parametrize("name", ["../outside", "/etc", "..", "a/../../outside"])
def test_names_on_the_command_line_stay_in_the_store(verb: str, name: str, coherence: Coherence, store: Store) -> None:
    (store.root / "outside").mkdir()
    (store.root / "outside" / "0.parquet").write_bytes(b"never opened")
    code, out, err = coherence(verb, name, "--store", store.root)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "damaged" not in err
    assert newest_revision(store, name) == (None, None, [])


@pytest.mark.parametrize(
    "dataset",
    [
        "../digits",
        "{name: ../digits}",
        "{name: image-folder, digest: ../../x, size: 8}",
        "{name: image-folder, digest: '" + "a" * 63 + "/', size: 8}",
        "{name: image-folder, path: /nowhere/at/all, size: 8}",
        "{name: digits, path: /etc}",
        "{name: digits, root: ..}",
    ],
)
def test_data_sets_that_would_lead_elsewhere(dataset: str, coherence: Coherence, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP.replace("dataset: digits", f"dataset: {dataset}"))
    code, out, err = coherence("run", file, "--local", "--store", tmp_path / "store")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == [file]


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20))])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "line 1: anchors are refused"),
        ("a: {<<: {b: 1}}", None),
        ("a: !!python/object/apply:os.system [touch pwned]", "tags are refused"),
        ("a: !!python/name:os.system", "tags are refused"),
        ("a: !!python/module:os", "tags are refused"),
        ("a: !!binary aGk=", "tags are refused"),
        ("a: !local x", "tags are refused"),
        ("!!map {a: 1}", "tags are refused"),
        ("%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x", "tags are refused"),
        ("a: " + "{b: " * 5000, "nested deeper"),
        ("a:\n" + "".join(" " * i + "- \n" for i in range(1, 200)), "nested deeper"),
        ("\n".join(f"{'  ' * i}b:" for i in range(100)), "nested deeper"),
        ("- " * 5000, "nested deeper"),
        ("é" * (MAX_BYTES // 2 + 1), "larger than 1 MiB"),
    ],
)
def test_yaml_is_data(text: str, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if says is None:
        assert parse_yaml(text, "f") == {"a": {"<<": {"b": 1}}}
        return
    with pytest.raises(UserError, match=says):
        parse_yaml(text, "f")
    assert list(tmp_path.iterdir()) == []


def test_a_huge_file_is_refused_unread(coherence: Coherence, tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)  # a terabyte without a block on the disk: reading it would not end
    code, _, err = coherence("plan", file, "--store", tmp_path / "store")
    assert code == 2
    assert "larger than 1 MiB" in err


SOURCES = Path(__file__).parents[2]
UNPICKLING = re.compile(
    r"\bimport\s+(\w*pickle|marshal|shelve|joblib|dill)\b|pickle\.loads?\(|Unpickler|marshal\.loads?\(|allow_pickle\s*=\s*True"
    r"|\byaml\.(load|unsafe_load|full_load)\(|\beval\(|\bexec\("
)
ALLOWED = {("orchestrator/tune/events.py", "error = ray.cloudpickle.loads(Path(file).read_bytes())")}
"""Ray's own file about a failed trial, in Ray's own folder on the driver's machine."""


def test_nothing_from_a_store_is_unpickled() -> None:
    found, loads = set(), []
    for package in ("trainables", "orchestrator", "analysis"):
        for path in (SOURCES / package).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                place = (str(path.relative_to(SOURCES)), line.strip())
                if UNPICKLING.search(line) and not re.search(r"\.eval\(", line):
                    found.add(place)
                if "torch.load(" in line:
                    loads.append(place)
    assert found == ALLOWED
    assert loads
    assert [place for place in loads if "weights_only=True" not in place[1]] == []
