"""Networks of timm, which is not required: with a stand-in for it that records how it was asked."""

import sys
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from torch import nn

from tests.trainables.specs import quick
from trainables.gradients.support import UnsupportedModelError
from trainables.models import MODELS
from trainables.registry import load


def stand_in(asked: list, *, fixed: bool):
    def create_model(name, **options):
        asked.append((name, options))
        norm = nn.BatchNorm2d if "bn" in name else nn.Identity
        return nn.Sequential(nn.Conv2d(options["in_chans"], 4, 3), norm(4), nn.Flatten(), nn.LazyLinear(3))

    return SimpleNamespace(
        __version__="9.9",
        create_model=create_model,
        list_models=lambda: ["plain", "with_bn"],
        get_pretrained_cfg=lambda _: SimpleNamespace(fixed_input_size=fixed),
    )


def build(monkeypatch, fixed=False, **given):
    asked: list = []
    monkeypatch.setitem(sys.modules, "timm", stand_in(asked, fixed=fixed))
    load(MODELS["timm"])(MODELS["timm"].params(name="timm", **given), (1, 40, 48), 3)
    return asked


def test_a_network_is_asked_for_without_weights_for_these_images(monkeypatch):
    [(name, options)] = build(monkeypatch, model="plain")
    assert (name, options) == ("plain", {"pretrained": False, "num_classes": 3, "in_chans": 1})
    [(_, options)] = build(monkeypatch, model="plain", fixed=True)
    assert options["img_size"] == (40, 48)
    assert build(monkeypatch, model="with_bn", norm="batch")


REFUSED = {
    "an unknown name": ({"model": "plane"}, "timm 9.9 has no model 'plane'"),
    "batch norm unsaid": ({"model": "with_bn"}, "has batch normalisation; write norm: batch"),
    "batch norm that is none": ({"model": "plain", "norm": "batch"}, "has no batch normalisation; write norm: indep"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_timm_does_not_have_is_refused_by_name(monkeypatch, case):
    given, says = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=says):
        build(monkeypatch, **given)


def test_without_timm_the_next_move_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnsupportedModelError, match="pip install timm"):
        load(MODELS["timm"])(MODELS["timm"].params(name="timm", model="plain"), (3, 32, 32), 3)


def test_a_spec_names_it_without_timm_and_batch_norm_is_measured_in_groups():
    images = {"dataset": {"name": "digits", "resize": 32}}
    assert not quick(model={"name": "timm", "model": "vit_tiny_patch16_224"}, **images).mixes_examples
    with pytest.raises(ValidationError, match="grouped"):
        quick(model={"name": "timm", "model": "resnet10t", "norm": "batch"}, **images)
    with pytest.raises(ValidationError, match="pattern"):
        quick(model={"name": "timm", "model": "hf_hub:somebody/model"}, **images)
