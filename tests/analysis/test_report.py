import re
import shlex
from pathlib import Path

import polars as pl
import pytest

from analysis.failed import Failure, failures
from analysis.gallery import Drawn, NotDrawn
from analysis.report import Expected, content, cost, expected, render, short
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.made_up import NONE, Effects, MadeUp, grid, permuted, write, write_rows
from trainables.spec import trial_id

EFFECTS = Effects(steps=(0, 50, 125, 2000), examples=20)


@pytest.fixture(scope="module")
def page(opened: tuple[Store, Sweep], drawn_demo: dict[str, Drawn]) -> str:
    return render(*opened, drawn_demo.values())


def test_the_page_is_complete_and_self_contained(
    page: str, opened: tuple[Store, Sweep], drawn_demo: dict[str, Drawn]
) -> None:
    for section in ("claims", "figures", "limits", "run", "trials", "cost", "provenance"):
        assert f'<section id="{section}">' in page
    assert page.count("data:image/svg+xml;base64,") == len(drawn_demo)
    assert page.count('<script type="application/json"') == len(drawn_demo)
    assert page.count("<img alt=") == len(drawn_demo)
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<script>") == 1
    assert all(identity in page for identity in opened[1].trial_ids)


def test_limits_are_checked_against_the_data(page: str) -> None:
    assert "not fitted; final training accuracy" in page
    assert "of m with original labels" in page


def test_everything_from_data_is_escaped(tmp_path: Path) -> None:
    store = write(tmp_path, MadeUp(specs=grid(corruptions=(NONE, permuted(1.0))), effects=EFFECTS))
    evil = "<script>alert(1)</script>"
    opened = Store(store)
    sweep = open_sweep(opened, "demo")
    columns = {"model_label": evil, "noise_label": evil, "provenance": f'{{"host": "{evil}"}}', "dataset": evil}
    import polars as pl

    spoilt = Sweep(
        evil,
        0,
        f"description: {evil!r}",
        sweep.planned.with_columns(pl.lit(evil).alias("model_label"), pl.lit(evil).alias("noise_label")),
        sweep.trials.with_columns(pl.lit(value).alias(name) for name, value in columns.items()),
        (),
    )
    marks = {"width": 10.0, "height": 10.0, "panels": [{"title": "</script>" + evil + "\u2028"}]}
    figure = Drawn("coherence-vs-step", evil, b"", b"<svg/>", pl.DataFrame(), (evil,), evil, evil, marks)
    page = render(opened, spoilt, [figure])
    assert page.count("<script>") == 1
    assert page.count("</script>") == 2
    assert evil not in page
    assert "\u2028" not in page
    assert page.count("&lt;script&gt;") > 10


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,))
    path = write(tmp_path, MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset({2})))
    (path / "layers" / trial_id(specs[0]) / "part-0.parquet").write_bytes(b"?")
    store = Store(path)
    page = render(store, open_sweep(store, "demo"), [NotDrawn("any", "Any figure", "no <trials> for it")])
    assert "seed 2" in page
    assert "not started" in page
    assert f"layers/{trial_id(specs[0])}/part-0.parquet" in page
    assert "no &lt;trials&gt; for it." in page


def test_a_sweep_that_has_not_begun_can_be_reported(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,))
    path = write(tmp_path, MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset(range(3))))
    store = Store(path)
    page = render(store, open_sweep(store, "demo"))
    assert "0 of 3 planned trials completed" in page


def test_cost_counts_every_attempt_once(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,), seeds=1)
    store = write(tmp_path, MadeUp(specs=specs, effects=EFFECTS))
    failed = {"attempt": 1, "outcome": "failed", "cpu_s": 4.0, "measure_s": 1.0, "started_at": 0.0, "ended_at": 5.0}
    started = {"attempt": 1, "outcome": "running", "started_at": 0.0}
    write_rows(store, "attempts", trial_id(specs[0]), [started, failed], part=1)
    opened = Store(store)
    found = cost(opened, open_sweep(opened, "demo"))
    assert (found.cpu_s, found.measure_s, found.wall_s) == (14.0, 3.5, 17.5)
    assert (found.attempts, found.unfinished, found.measuring_share) == (2, 1, "25.0 %")


def test_seconds_on_a_gpu_are_told(tmp_path: Path) -> None:
    store = write(tmp_path, MadeUp(specs=grid(corruptions=(NONE,), seeds=1), effects=EFFECTS))
    assert "on a GPU" not in page_of(store)
    [file] = store.glob("attempts/*/*.parquet")
    [row] = pl.read_parquet(file).to_dicts()
    on_gpu = {"device": "cuda:0", "started_at": 0.0, "ended_at": 40.0}
    write_rows(store, "attempts", row.pop("trial_id"), [{**row, **on_gpu}])
    opened = Store(store)
    assert cost(opened, open_sweep(opened, "demo")).gpu_s == 40
    assert "40.0 of them on a GPU" in page_of(store)


def test_trials_are_listed_in_the_order_of_the_sweep(opened: tuple[Store, Sweep]) -> None:
    rows = content(*opened, ())["trials"]
    assert [row["trial_id"] for row in rows] == opened[1].planned["trial_id"].to_list()
    assert rows[0]["finals"]["corrupt"] is None


def test_how_right_the_plan_was() -> None:
    rows = [
        ("a", 0, "completed", 10.0, 10.0),
        ("b", 0, "completed", 20.0, 10.0),
        ("c", 0, "interrupted", 30.0, 10.0),
        ("c", 1, "stopped", 10.0, 99.0),  # the second plan knew more; the first counts
        ("d", 0, "failed", 5.0, 10.0),  # not finished
        ("e", 0, "failed", None, 10.0),  # lost: nobody knows what it used
        ("e", 1, "completed", 1.0, 10.0),
        ("f", 0, "completed", 1.0, None),  # nobody planned
    ]
    attempts = pl.DataFrame(rows, ["trial_id", "attempt", "outcome", "cpu_s", "estimated_s"], orient="row")
    found = expected(attempts)
    assert found == Expected(3, 30.0, 70.0, (1.5, 2.0, 3.0))
    assert expected(attempts.filter(pl.col("trial_id") == "f")) is None


def test_the_page_says_how_right_the_plan_was(tmp_path: Path) -> None:
    store = write(tmp_path / "store", MadeUp(specs=grid(corruptions=(NONE,), seeds=2), effects=EFFECTS))
    assert "No attempt says what was expected" in page_of(store)
    for file in store.glob("attempts/*/*.parquet"):
        [row] = pl.read_parquet(file).to_dicts()
        write_rows(store, "attempts", row.pop("trial_id"), [{**row, "estimated_s": 8.0}])
    page = page_of(store)
    assert "expected 16.0 CPU seconds of 2 trials, which used 20.0: 1.25 of it" in page


def page_of(store: Path) -> str:
    opened = Store(store)
    return render(opened, open_sweep(opened, "demo"), [])


def test_failures_are_grouped_by_what_went_wrong(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,))
    path = write(tmp_path / "store", MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset({0, 1, 2})))
    ids = [trial_id(spec) for spec in specs]

    def attempt(number: int, outcome: str, **more: object) -> dict[str, object]:
        return {"attempt": number, "outcome": outcome, "started_at": 0.0, "ended_at": 1.0, **more}

    bug = {"failure": "bug", "fingerprint": "aa", "message": "Traceback\n  here\nValueError: <b>no</b>"}
    write_rows(path, "attempts", ids[0], [attempt(0, "failed", **bug)])
    write_rows(path, "attempts", ids[1], [attempt(0, "failed", **bug)])
    lost = {"failure": "infrastructure", "fingerprint": "bb", "message": None}
    write_rows(path, "attempts", ids[2], [attempt(0, "failed", **bug), attempt(1, "failed", **lost)])
    store = Store(path)
    assert failures(store, ids) == [
        Failure(2, "bug", "ValueError: <b>no</b>", ids[0]),
        Failure(1, "infrastructure", "no traceback is recorded", ids[2]),
    ]
    assert failures(store, ids[:1]) == [Failure(1, "bug", "ValueError: <b>no</b>", ids[0])]
    write_rows(path, "attempts", ids[2], [attempt(2, "interrupted")], part=1)
    assert len(failures(Store(path), ids)) == 1
    page = page_of(path)
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in page
    assert "coherence retry demo" in page


def test_what_was_found_is_said_first(opened: tuple[Store, Sweep]) -> None:
    claims = content(*opened, ())["claims"]
    found = short(claims)
    measured = [claim for claim in claims if any(row.verdict != "not measured" for row in claim.rows)]
    assert sorted(text for _, text in found["sentences"]) == sorted(claim.statement for claim in measured)
    verdicts = [verdict for verdict, _ in found["sentences"]]
    assert verdicts == sorted(verdicts, key=("supported", "contradicted", "mixed", "inconclusive").index)
    assert f"Of {len(claims)} published claims" in found["counts"]


def test_commands_say_what_they_make_and_not_where_the_store_was(tmp_path: Path, drawn_demo: dict[str, Drawn]) -> None:
    path = write(tmp_path / "my store", MadeUp(specs=grid(corruptions=(NONE,), seeds=1), effects=EFFECTS))
    store = Store(path)
    found = content(store, open_sweep(store, "demo"), [drawn_demo["learning-curves"]])
    assert shlex.split(found["figures"][0]["command"]) == ["coherence", "figures", "demo", "--only", "learning-curves"]
    assert shlex.split(found["retry"]) == ["coherence", "retry", "demo"]


def test_a_page_of_nothing_has_no_empty_lists(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,))
    page = page_of(write(tmp_path, MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset(range(3)))))
    assert not re.search(r"<(ul|tbody|select)>\s*</", page)
