"""timm: a network of timm (PyTorch Image Models) by its name there; its own layer names. timm is not required."""

from typing import Any

from torch import nn

from trainables.gradients.support import UnsupportedModelError
from trainables.models.choices import Timm


def build(choice: Timm, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """timm's network without pretrained weights, for images [C, H, W]; made for H x W where it has a fixed size."""
    timm = _timm()
    if choice.model not in timm.list_models():
        raise UnsupportedModelError(
            f"timm {timm.__version__} has no model {choice.model!r}; timm.list_models() names all."
        )
    cfg = timm.get_pretrained_cfg(choice.model)
    sized = {"img_size": shape[1:]} if cfg is not None and cfg.fixed_input_size else {}
    model: nn.Module = timm.create_model(
        choice.model, pretrained=False, num_classes=outputs, in_chans=shape[0], **sized
    )
    mixes = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    if mixes != choice.mixes_examples:
        has, said = ("has", "batch") if mixes else ("has no", "independent")
        raise UnsupportedModelError(f"timm's {choice.model} {has} batch normalisation; write norm: {said}.")
    return model


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise UnsupportedModelError(f"model timm needs timm ({error}): pip install timm, on every node.") from error
    return timm
