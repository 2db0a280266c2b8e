from orchestrator.load import load_sweep, parse_sweep
from orchestrator.revisions import newest_revision, record_sweep, sweep_names
from orchestrator.store import Store

TEXT = """\
name: seeds
axes: {seed: [0, 1, 2]}
fixed: {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1}
"""


def record(store: Store, text: str) -> tuple[int, bool, int, int, int]:
    loaded = parse_sweep(text, "s")
    revision = record_sweep(store, loaded.name, loaded.specs, text)
    return revision.number, revision.is_new, revision.added, revision.kept, revision.dropped


def test_new_content_is_a_new_revision(store: Store) -> None:
    assert record(store, TEXT) == (0, True, 3, 0, 0)
    assert record(store, TEXT) == (0, False, 0, 3, 0)
    assert record(store, TEXT.replace("[0, 1, 2]", "[1, 2, 3, 4]")) == (1, True, 2, 2, 1)
    # Another text for the same trials is kept too: resources and comments live there.
    assert record(store, TEXT.replace("[0, 1, 2]", "[1, 2, 3, 4] ")) == (2, True, 0, 4, 0)
    assert record(store, TEXT) == (3, True, 1, 2, 2)
    assert sweep_names(store) == ["seeds"]


def test_revisions_count_beyond_nine(store: Store) -> None:
    for number in range(12):
        assert record(store, TEXT.replace("2]", f"{number + 2}]"))[0] == number
    assert newest_revision(store, "seeds")[0] == 11


def test_the_store_knows_the_text_in_order(store: Store) -> None:
    record(store, TEXT.replace("[0, 1, 2]", "[2, 0, 1]"))
    loaded = load_sweep("seeds", store)
    assert [spec.seed for spec in loaded.specs.values()] == [2, 0, 1]
    assert newest_revision(store, "seeds")[2] == list(loaded.specs)
