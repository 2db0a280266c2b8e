"""Where the time of a fused step goes: each layer's kernel against the ordinary weight gradient that it replaces."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn import functional

from benchmarks.networks import batch, network
from trainables.gradients import conv2d, convolution
from trainables.gradients.engine import Engine
from trainables.gradients.uses import RuledPart

REPETITIONS = 7


def breakdown(name: str, size: int) -> list[dict[str, Any]]:
    """CPU milliseconds of each layer of a model, cold differences of caches aside: `ordinary`, the weight gradient as
    autograd takes it; `fused`, the kernel that gives it with the norms; `norms`, what exact mode adds."""
    model, (x, y) = network(name), batch(name, size)
    engine = Engine(model, fused=True)
    with engine.recording() as record:
        losses = functional.cross_entropy(model(x), y, reduction="none")
    record.differentiate(losses, mean_gradient=True)
    rows = []
    for part in record._parts:
        assert isinstance(part, RuledPart)
        layer, rule, (inputs, d) = part._layer, part._rule, part._pairs[0]
        row = {
            "model": name,
            "batch": size,
            "layer": layer.name,
            "kernel": _kernel(layer.module, inputs, d),
            "ordinary_ms": _ms(lambda r=rule, m=layer.module, a=inputs, b=d: _ordinary(r, m, a, b)),
            "fused_ms": _ms(lambda r=rule, m=layer.module, a=inputs, b=d: r.gradient(m, a, b, norms=True)),
            "norms_ms": _ms(lambda r=rule, m=layer.module, a=inputs, b=d: r.square_norms(m, a, b)),
        }
        rows.append(row)
    total = {key: round(sum(row[key] for row in rows), 2) for key in ("ordinary_ms", "fused_ms", "norms_ms")}
    rows.append({"model": name, "batch": size, "layer": "*", "kernel": "", **total})
    print(f"{name:24} {size:>4}  sums over layers: {total}", flush=True)
    return rows


def _ordinary(rule: Any, module: nn.Module, x: Any, d: Any) -> None:
    if not isinstance(module, nn.Conv2d):
        rule.sums(module, x, d)
        return
    convolution.ordinary(conv2d._geometry(module), module.weight.detach(), x, d)
    if module.bias is not None:
        d.sum(dim=(0, 2, 3))


def _kernel(module: nn.Module, x: Any, d: Any) -> str:
    return convolution.chosen(conv2d._geometry(module), x, d) if isinstance(module, nn.Conv2d) else ""


def _ms(run: Callable[[], Any]) -> float:
    run()
    found = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return round(1e3 * statistics.median(found), 3)
