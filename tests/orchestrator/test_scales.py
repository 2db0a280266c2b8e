"""Sizes of a sweep, collections of sweeps, and what a figure needs of them."""

import json
from collections.abc import Callable

import pytest

from orchestrator.errors import UserError
from orchestrator.load import builtin_sweeps, collect_sweeps, load_sweep, parse_sweep, scale_names
from orchestrator.plan import make_plan
from orchestrator.revisions import newest_revision, record_sweep
from orchestrator.scale import scaled
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial
from trainables.plugins import Registry
from trainables.spec import trial_id

Coherence = Callable[..., tuple[int, str, str]]

TEXT = """\
name: sized
axes:
  corruption: [none, {name: permuted-labels, fraction: 0.5}]
  batch_size: [10, 50]
  seed: {range: [0, 3]}
fixed: {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.1}, epochs: 9}
measure: {online: null, probe: {examples: 100}}
resources: {cpu: 1, gpu: 0.5}
scales:
  small:
    axes: {seed: [7], epochs: [1, 2]}
    fixed: {batch_size: 25}
    measure: {probe: {examples: 20}}
    resources: {cpu: 1, gpu: 0}
  wide: {include: [{seed: 9, batch_size: 5, corruption: none}]}
"""
PAPERS_LAPTOP_S = 9000


def test_a_scale_changes_what_it_names_and_nothing_else() -> None:
    small = parse_sweep(TEXT, "s", "small")
    assert small.name == "sized.small"
    assert list(small.sweep.axes) == ["corruption", "seed", "epochs"]
    assert {spec.batch_size for spec in small.specs.values()} == {25}
    assert {spec.seed for spec in small.specs.values()} == {7}
    assert {spec.epochs for spec in small.specs.values()} == {1, 2}
    assert all(spec.measure.online is None and spec.probe_examples == 20 for spec in small.specs.values())
    assert (small.resources.gpu, parse_sweep(TEXT, "s").resources.gpu) == (0, 0.5)
    assert len(parse_sweep(TEXT, "s").specs) == 12
    wide = parse_sweep(TEXT, "s", "wide")
    assert set(parse_sweep(TEXT, "s").specs) < set(wide.specs)
    assert len(wide.specs) == 13


def test_a_scaled_mapping_is_a_sweep_without_scales() -> None:
    raw = {"name": "a", "axes": {"seed": [1]}, "fixed": {"epochs": 1}, "scales": {"x": {"fixed": {"seed": 2}}}}
    assert scaled(raw, "x") == {"name": "a.x", "fixed": {"epochs": 1, "seed": 2}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("scales: {small: {axes: {epoch: [1]}}}", "scales.small.axes.epoch: unknown key"),
        ("scales: {small: {scales: {}}}", "unknown key 'scales'"),
        ("scales: {'Not a name': {}}", "scales"),
        ("sweeps: [demo]", "has no axes, fixed of its own"),
    ],
)
def test_what_a_scale_cannot_be(change: str, said: str) -> None:
    head = "name: s\naxes: {seed: [0]}\nfixed: {dataset: digits}\n"
    with pytest.raises(UserError) as error:
        parse_sweep(head + change + "\n", "s.yaml")
    assert said in str(error.value)


def test_an_unknown_scale_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"'smal'.*Known: small, wide"):
        parse_sweep(TEXT, "s", "smal")
    with pytest.raises(UserError, match="one size"):
        load_sweep("demo", None, scale="laptop")
    with pytest.raises(UserError, match="laptop"):
        load_sweep("papers", None, scale="lapto")


def test_name_dot_scale_says_the_same_and_resolves_in_the_store(store: Store) -> None:
    loaded = load_sweep("label-noise", None, scale="laptop")
    assert load_sweep("label-noise.laptop", None).specs == loaded.specs
    small = parse_sweep(TEXT, "s", "small")
    record_sweep(store, small.name, small.specs, small.definition)
    assert load_sweep("sized.small", store).specs == small.specs
    assert load_sweep("sized", store, scale="small").specs == small.specs


def test_a_collection_is_the_union_of_its_sweeps_each_recorded(
    coherence: Coherence, fake_trial: FakeTrial, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TEXT.replace("name: sized", "name: other").replace("fraction: 0.5", "fraction: 1.0")
    plain = TEXT.partition("scales:")[0].replace("name: sized", "name: plain").replace("[0, 3]", "[0, 1]")
    texts = {"sized": TEXT, "other": other, "plain": plain, "all": "name: all\nsweeps: [sized, other, plain]\n"}
    monkeypatch.setattr("orchestrator.load.builtin_sweeps", lambda: texts)
    loaded = load_sweep("all", None, scale="small")
    assert [member.name for member in loaded.members] == ["sized.small", "other.small", "plain"]
    assert set(loaded.specs) == {identity for member in loaded.members for identity in member.specs}
    assert len(loaded.specs) < sum(len(member.specs) for member in loaded.members)  # shared trials count once
    assert loaded.resources.gpu == 0.5
    code, out, _ = coherence("run", "all", "--scale", "small", "--local", "--store", store.root)
    assert (code, "done 10" in out) == (0, True)
    for name in ("all.small", "sized.small", "other.small", "plain"):
        assert newest_revision(store, name)[2]
    assert load_sweep("all.small", store).specs == loaded.specs


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a": "name: a\nsweeps: [b]\n", "b": "name: b\nsweeps: [a]\n"}, "collection itself"),
        ({"a": "name: a\nsweeps: [nothing]\n"}, "unknown sweep 'nothing'"),
        ({"a": "name: a\nsweeps: [demo, demo]\n", "demo": TEXT}, "twice"),
    ],
)
def test_what_a_collection_cannot_be(texts: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.load.builtin_sweeps", lambda: texts)
    with pytest.raises(UserError, match=said):
        load_sweep("a", None)


def test_one_needed_sweep_is_itself_and_several_are_a_collection() -> None:
    assert collect_sweeps("for-x", ["label-noise"], None, "laptop").name == "label-noise.laptop"
    several = collect_sweeps("for-x", ["label-noise", "linear-example"], None, "laptop")
    assert several.name == "for-x.laptop"
    assert [member.name for member in several.members] == ["label-noise.laptop", "linear-example"]
    again = parse_sweep(several.definition, "for-x", "laptop")
    assert again.specs == several.specs


def test_every_sweep_of_the_papers_has_both_sizes_and_the_laptop_fits(store: Store) -> None:
    whole, laptop = load_sweep("papers", None), load_sweep("papers", None, scale="laptop")
    assert "laptop" in scale_names(builtin_sweeps()["papers"])
    assert make_plan(laptop, store, workers=2).cpu.middle <= PAPERS_LAPTOP_S
    sized = {member.name for member in laptop.members}
    assert sized == {f"{member.name}.laptop" for member in whole.members if "laptop" in member.sweep.scales} | {
        "linear-example"
    }
    downloaded = {spec.dataset.name for spec in laptop.specs.values()} & {"mnist", "cifar10", "cifar100"}
    assert not downloaded  # a laptop needs no network
    assert all(trial_id(spec) == identity for identity, spec in laptop.specs.items())


def test_status_of_figures_counts_what_a_run_for_one_fills(
    coherence: Coherence, fake_trial: FakeTrial, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.figures import FIGURES, Entry

    entry = Entry("analysis.figures.coherence_vs_step", "t", "s", "MC-1", ("sized",))
    monkeypatch.setattr("orchestrator.load.builtin_sweeps", lambda: {"sized": TEXT})
    alone = Registry((), {"mine": entry}, lambda plugin, _: pytest.fail(plugin.name))
    monkeypatch.setattr("analysis.gaps.FIGURES", alone)
    monkeypatch.setitem(FIGURES, "mine", entry)
    ask = ("figures", "--status", "--scale", "small", "--json", "--store", store.root)
    assert json.loads(coherence(*ask)[1]) == [
        {"figure": "mine", "papers": "MC-1", "planned": 4, "done": 0, "missing": {"sized.small": 4}}
    ]
    assert coherence("run", "--for", "mine", "--scale", "small", "--local", "--store", store.root)[0] == 0
    assert json.loads(coherence(*ask)[1])[0]["missing"] == {}
    assert newest_revision(store, "sized.small")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a sweep"),
        (("demo", "--for", "learning-speed"), "one of the two"),
        (("--for", "learning-sped"), "learning-speed"),
        (("demo", "--until", "pristine-before-corrupt"), "--width W and --budget N"),
        (("demo", "--until", "no-such", "--width", "1", "--budget", "3"), "unknown claim"),
        (("papers", "--until", "pristine-before-corrupt", "--width", "1", "--budget", "3"), "collection"),
        (("demo", "--until", "pristine-before-corrupt", "--width", "0", "--budget", "3"), "--width"),
        (("demo", "--until", "pristine-before-corrupt", "--width", "1", "--budget", "0"), "--budget"),
    ],
)
def test_what_run_refuses(coherence: Coherence, arguments: tuple[str, ...], said: str, store: Store) -> None:
    code, _, err = coherence("run", *arguments, "--local", "--store", store.root)
    assert (code, said in err) == (2, True)
    assert not (store.root / "trials").exists()
