"""Models by name: parameters and code; torch is imported only when one is built."""

from dataclasses import dataclass

from trainables.models import choices
from trainables.registry import Entry, with_plugins


@dataclass(frozen=True)
class ModelFacts:
    """source: who described the network, and when."""

    source: str


def _entry(params: type[choices.Network], code: str, summary: str, source: str) -> Entry:
    return Entry(params, f"trainables.models.{code}", summary, ModelFacts(source))


MODELS = with_plugins(
    "models",
    {
        "mlp": _entry(choices.Mlp, "mlp:build", "fully connected ReLU network", "no single paper"),
        "lenet": _entry(choices.LeNet, "lenet:build", "LeNet-5 with ReLU and max pooling", "LeCun et al. 1998"),
        "cnn16": _entry(choices.Cnn16, "cnn16:build", "three strided convolutions, 128 units", "no single paper"),
        "alexnet": _entry(
            choices.AlexNet,
            "alexnet:build",
            "AlexNet, for small images or as on ImageNet",
            "Krizhevsky et al. 2012, Krizhevsky 2014",
        ),
        "vgg13": _entry(
            choices.Vgg13, "vgg:build", "VGG-13 without normalisation, for small images", "Simonyan and Zisserman 2015"
        ),
        "vgg13-bn": _entry(
            choices.Vgg13Bn,
            "vgg:build",
            "VGG-13 with batch normalisation, for small images",
            "Simonyan and Zisserman 2015",
        ),
        "resnet18": _entry(choices.ResNet18, "resnet:build_18", "ResNet-18 with group or batch norm", "He et al. 2016"),
        "resnet50": _entry(choices.ResNet50, "resnet:build_50", "ResNet-50 with group or batch norm", "He et al. 2016"),
        "inception-v3": _entry(
            choices.InceptionV3, "inception_v3:build", "Inception-V3 of torchvision, batch norm", "Szegedy et al. 2016"
        ),
        "efficientnet-b0": _entry(
            choices.EfficientNetB0,
            "efficientnet_b0:build",
            "EfficientNet-B0 of torchvision, batch norm",
            "Tan and Le 2019",
        ),
        "torchvision": _entry(
            choices.Torchvision, "from_torchvision:build", "a network of torchvision by its name there", "torchvision"
        ),
        "timm": _entry(
            choices.Timm, "from_timm:build", "a network of timm by its name there; install timm", "timm (Wightman 2019)"
        ),
        "vit": _entry(choices.Vit, "vit:build", "vision transformer for small images", "Dosovitskiy et al. 2021"),
    },
)
