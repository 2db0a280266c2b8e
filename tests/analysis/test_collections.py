"""A collection of sweeps, seen whole and by what a figure needs of it; images that say how to make them again."""

import json
from pathlib import Path

import pytest

from analysis.errors import Skipped, UserError
from analysis.evaluation import evaluate
from analysis.figures import FIGURES
from analysis.gallery import Drawn, draw_one, read_facts, redraw, save
from analysis.store import Store
from analysis.sweeps import open_sweep, sweep_name, view
from tests.analysis.made_up import MEAN, MEDIAN, NONE, Effects, MadeUp, grid, permuted, write, write_trial
from trainables.records import sweep_path, write_part
from trainables.spec import TrialSpec, canonical_json, trial_id

EFFECTS = Effects(steps=(0, 20, 50, 100, 125, 500, 1000, 2000), examples=10)
NOISE = grid(corruptions=(NONE, permuted(0.5), permuted(1.0)))
ROBUST = grid(corruptions=(permuted(0.5),), aggregators=(MEAN, MEDIAN))


def record(store: Path, name: str, specs: tuple[TrialSpec, ...], definition: str, revision: int = 0) -> None:
    rows = [
        {"sweep": name, "revision": revision, "position": i, "trial_id": trial_id(one), "spec": canonical_json(one)}
        | {"definition": definition, "created_at": 0.0}
        for i, one in enumerate(specs)
    ]
    write_part(sweep_path(store, name, revision), "sweeps", rows, tag="test")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    path = write(tmp_path / "store", MadeUp(name="label-noise.laptop", specs=NOISE, effects=EFFECTS))
    for one in ROBUST:
        write_trial(path, one, EFFECTS)
    record(path, "label-noise.laptop", NOISE, "name: label-noise\nscales: {laptop: {}}\n")
    record(path, "weak-directions.laptop", ROBUST, "name: weak-directions\nscales: {laptop: {}}\n")
    both = tuple({trial_id(one): one for one in (*NOISE, *ROBUST)}.values())
    record(path, "papers.laptop", both, "name: papers\nsweeps: [label-noise, weak-directions, never-run]\n")
    return path


def test_a_collection_knows_its_scale_and_its_sweeps(collection: Path) -> None:
    store = Store(collection)
    sweep = open_sweep(store, "papers.laptop")
    assert (sweep.base, sweep.scale) == ("papers", "laptop")
    assert [member.base for member in sweep.members] == ["label-noise", "weak-directions"]
    assert sweep.planned.height == len(NOISE) + len(grid(corruptions=(permuted(0.5),), aggregators=(MEDIAN,)))
    assert sweep_name(store, None) == "papers.laptop"


def test_a_figure_sees_only_what_it_needs(collection: Path) -> None:
    store = Store(collection)
    sweep = open_sweep(store, "papers.laptop")
    assert set(view(store, sweep, ("label-noise",)).trial_ids) == {trial_id(one) for one in NOISE}
    both = view(store, sweep, ("weak-directions", "label-noise"))
    assert set(both.trial_ids) == set(sweep.trial_ids)
    assert both.planned["position"].to_list() == list(range(both.planned.height))
    assert view(store, sweep, ()) is sweep
    assert view(store, open_sweep(store, "label-noise.laptop"), ("elsewhere",)).name == "label-noise.laptop"
    with pytest.raises(Skipped, match="elsewhere"):
        view(store, sweep, ("elsewhere",))


def test_claims_of_a_collection_without_their_sweeps_are_not_measured(collection: Path) -> None:
    store = Store(collection)
    claims = {claim.name: claim for claim in evaluate(store, open_sweep(store, "papers.laptop"))}
    assert [row.verdict for row in claims["real-above-random-early"].rows] == ["supported"]
    alone = open_sweep(store, "weak-directions.laptop")
    assert {row.verdict for claim in evaluate(store, alone) for row in claim.rows if not row.n} == {"not measured"}


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_an_image_can_be_made_again_after_the_store_has_grown(collection: Path, tmp_path: Path, suffix: str) -> None:
    store = Store(collection)
    first = draw_one("coherence-vs-step", FIGURES["coherence-vs-step"], store, open_sweep(store, "papers.laptop"))
    assert isinstance(first, Drawn)
    (tmp_path / "out").mkdir()
    save(first, tmp_path / "out")
    image = tmp_path / "out" / f"coherence-vs-step.{suffix}"
    facts = read_facts(image)
    assert set(facts["trial_ids"]) == {trial_id(one) for one in NOISE}
    assert facts["members"] == {"label-noise.laptop": 0, "weak-directions.laptop": 0}

    more = grid(corruptions=(NONE, permuted(0.5), permuted(1.0)), seeds=4)
    for one in more[3::4]:
        write_trial(collection, one, EFFECTS)
    record(collection, "label-noise.laptop", more, "name: label-noise\nscales: {laptop: {}}\n", revision=1)
    grown = Store(collection)
    now = draw_one("coherence-vs-step", FIGURES["coherence-vs-step"], grown, open_sweep(grown, "papers.laptop"))
    assert isinstance(now, Drawn)
    assert now.png != first.png
    again = redraw(grown, image)
    assert (again.png, again.svg) == (first.png, first.svg)


def test_what_cannot_be_made_again_is_said(collection: Path, tmp_path: Path) -> None:
    store = Store(collection)
    drawn = draw_one("coherence-vs-step", FIGURES["coherence-vs-step"], store, open_sweep(store, "papers.laptop"))
    assert isinstance(drawn, Drawn)
    save(drawn, tmp_path)
    image = tmp_path / "coherence-vs-step.png"
    other = write(tmp_path / "other", MadeUp(name="label-noise.laptop", specs=NOISE[:1], effects=EFFECTS))
    record(other, "label-noise.laptop", NOISE[:1], "name: label-noise\nscales: {laptop: {}}\n")
    record(other, "papers.laptop", NOISE[:1], "name: papers\nsweeps: [label-noise]\n")
    with pytest.raises(UserError, match="8 of its trials"):
        redraw(Store(other), image)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UserError, match="PNG or SVG"):
        read_facts(tmp_path / "text.png")
    plain = tmp_path / "plain.svg"
    plain.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(UserError, match="plain"):
        read_facts(plain)
    assert json.dumps(read_facts(image)["query"]) == '{"needs": ["evolution", "label-noise"], "outcome": "completed"}'
