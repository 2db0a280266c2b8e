"""Initial weights that are not torch's own."""

from math import sqrt

import torch
from torch import nn

from trainables.seeding import torch_stream


@torch.no_grad()
def initialise(model: nn.Module, init: str, seed: int, purpose: str) -> None:
    """`zeros`: every parameter 0. `cg20`: weights N(0, 1) 2 / sqrt(fan_in + fan_out), biases 0, as the released code of
    Chatterjee (2020) draws them; scales of normalisation stay. A fan counts the positions of a kernel;
    purpose: of the stream."""
    if init == "zeros":
        for parameter in model.parameters():
            parameter.zero_()
    elif init == "cg20":
        with torch_stream(seed, purpose):
            for name, parameter in model.named_parameters():
                if parameter.dim() >= 2:
                    positions = parameter[0, 0].numel()
                    fans = (parameter.shape[0] + parameter.shape[1]) * positions
                    parameter.normal_(0.0, 2.0 / sqrt(fans))
                elif name.rpartition(".")[2] == "bias":
                    parameter.zero_()
