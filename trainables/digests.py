"""Digests of a trial's state: what a replay must meet again, bit for bit."""

import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from trainables.measures import Columns
from trainables.setting import Setting

HEX_DIGITS = 16


def digest_rows(setting: Setting, step: int) -> list[Columns]:
    """Rows of `digests`: parameters and buffers in the model's order, optimizer, aggregator and average, and the batch
    of the update that follows. Streams begin anew in each epoch, so the batch says where they stand."""
    return [
        {"step": step, "kind": kind, "name": name, "sha256": tensor_digest(tensor)}
        for kind, named in _kinds(setting, step)
        for name, tensor in named.items()
    ]


def tensor_digest(tensor: Tensor) -> str:
    """First 16 hex digits of SHA-256 over type, shape and bytes."""
    held = tensor.detach().cpu().contiguous()
    found = hashlib.sha256(f"{held.dtype} {tuple(held.shape)}\n".encode())
    found.update(held.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:HEX_DIGITS]


def _kinds(setting: Setting, step: int) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    model, average = setting.model, setting.watch.average
    yield "parameter", dict(model.named_parameters())
    yield "buffer", dict(model.named_buffers())
    yield "state", {f"optimizer/{name}": tensor for name, tensor in setting.optimizer.state().items()}
    yield "state", {f"aggregator/{name}": tensor for name, tensor in setting.aggregator_state.items()}
    yield "state", {f"average/{name}": tensor for name, tensor in (average.weights if average else {}).items()}
    if step < setting.last_step:
        yield "batch", setting.drawn(step)
