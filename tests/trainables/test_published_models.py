"""Networks that have a published implementation: equal to torchvision's when its weights are copied over."""

from functools import partial
from typing import get_args

import pytest
import torch
import torchvision
from torch import nn

from tests.trainables.noise import far, quiet
from trainables.models import MODELS
from trainables.models.choices import BatchNorm, Independent, Torchvision
from trainables.registry import Surroundings, load

SIZE = 4


def with_weights_of(model: nn.Module, other: nn.Module) -> None:
    """Copy weights and running statistics, in order; shapes must agree."""
    own = list(model.state_dict().items())
    given = list(other.state_dict().values())
    model.load_state_dict({name: tensor for (name, _), tensor in zip(own, given, strict=True)})


PUBLISHED = {
    "resnet18": ({"stem": "imagenet", "norm": "batch"}, torchvision.models.resnet18, 32),
    "resnet50": ({"stem": "imagenet", "norm": "batch"}, torchvision.models.resnet50, 32),
    "alexnet": ({"stem": "imagenet"}, torchvision.models.alexnet, 63),
    "inception-v3": (
        {},
        partial(torchvision.models.inception_v3, aux_logits=False, init_weights=False, transform_input=False),
        75,
    ),
    "efficientnet-b0": ({}, torchvision.models.efficientnet_b0, 32),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_torchvisions(name):
    given, published, side = PUBLISHED[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        x = torch.randn(SIZE, 3, side, side)
        other = published(num_classes=10)
        model = load(MODELS[name])(MODELS[name].params(name=name, **given), (3, side, side), 10)
    with_weights_of(model, other)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in other.parameters())
    with torch.no_grad():
        assert far(quiet(other.train())(x), quiet(model.train())(x)) < 1e-5
        assert far(other.eval()(x), model.eval()(x)) < 1e-5


@pytest.mark.parametrize("name", ["vgg13", "vgg13-bn"])
def test_vgg_has_the_convolutions_of_torchvisions(name):
    published = {"vgg13": torchvision.models.vgg13, "vgg13-bn": torchvision.models.vgg13_bn}[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        x, other = torch.randn(SIZE, 3, 16, 16), published(init_weights=False).features[:-1]
        model = load(MODELS[name])(MODELS[name].params(name=name), (3, 16, 16), 10)
    features = model[: list(dict(model.named_children())).index("pool5")]
    if name == "vgg13-bn":
        for module in other:
            if isinstance(module, nn.Conv2d):
                module.bias = None
    with_weights_of(features, other)
    with torch.no_grad():
        assert far(other(x), features(x)) < 1e-5


def test_initial_weights_of_grey_and_colour_images_have_one_distribution():
    for name in ("inception-v3", "efficientnet-b0"):
        spreads = []
        for channels in (1, 3):
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                model = load(MODELS[name])(MODELS[name].params(name=name), (channels, 75, 75), 10)
            first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
            assert first.in_channels == channels
            spreads.append(float(first.weight.detach().square().mean().sqrt()))
        assert spreads[0] == pytest.approx(spreads[1], rel=0.15)


def test_dropout_of_the_imagenet_stem_is_the_original_one_unless_said():
    def found(**given: object) -> list[float]:
        choice = MODELS["alexnet"].params(name="alexnet", width=2, **given)
        return [m.p for m in load(MODELS["alexnet"])(choice, (3, 64, 64), 10).modules() if isinstance(m, nn.Dropout)]

    assert found(stem="imagenet") == [0.5, 0.5]
    assert found(stem="imagenet", dropout=0.1) == [0.1, 0.1]
    assert found(stem="imagenet", dropout=0.0) == found() == []
    assert found(dropout=0.1) == [0.1, 0.1]


@pytest.mark.parametrize("name", [*get_args(Independent), *get_args(BatchNorm)])
def test_networks_of_torchvision_take_their_smallest_image_and_have_the_normalisation_they_say(name):
    choice = Torchvision(name="torchvision", model=name)
    with torch.device("meta"):
        model = load(MODELS["torchvision"])(choice, (3, choice.least, choice.least), 10)
        assert model(torch.zeros(2, 3, choice.least, choice.least)).shape == (2, 10)
    batch_norm = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    assert choice.mixes_examples is batch_norm


def test_networks_of_torchvision_take_colour_images_alone():
    grey = Surroundings(SIZE, "made-up", (1, 64, 64), epochs=1, has_momentum=False)
    with pytest.raises(ValueError, match="3 channels; 'made-up' has 1"):
        Torchvision(name="torchvision", model="vgg11").check(grey)
