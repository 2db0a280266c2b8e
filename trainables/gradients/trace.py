"""One trial forward pass, observed: which modules were called with what, and which module used each parameter.

A parameter is used by the innermost module whose forward runs when a torch function makes, of it, something that
autograd follows. The pass is observed function by function, so a weight that another module reads (`self.fc.weight`
in a parent's forward) shows, whatever the values are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

Stack = tuple[nn.Module, ...]


@dataclass
class Call:
    """One call of a module: its input and output leaves, and what the call changed in place."""

    stack: Stack
    inputs: list[Any]
    positional: bool
    versions: list[int]
    buffers: list[int]
    outputs: list[Any] = field(default_factory=list)
    edges: dict[int, GradientEdge] = field(default_factory=dict)
    changed_buffers: bool = False

    @property
    def changed_inputs(self) -> list[bool]:
        """Per input leaf, whether it was changed in place since the call began."""
        now = versions(self.inputs)
        return [a != b for a, b in zip(self.versions, now, strict=True)]


@dataclass
class Trace:
    """Of a pass over `size` examples: calls per module, and per parameter the stacks of modules that used it."""

    size: int
    calls: dict[nn.Module, list[Call]] = field(default_factory=lambda: defaultdict(list))
    sites: dict[int, list[Stack]] = field(default_factory=lambda: defaultdict(list))


def versions(leaves: Sequence[Any]) -> list[int]:
    """Version counters of the tensors among some leaves; 0 for everything else."""
    return [leaf._version if isinstance(leaf, Tensor) else 0 for leaf in leaves]


def edges_of(leaves: Sequence[Any]) -> dict[int, GradientEdge]:
    """Position -> autograd edge of the leaves that autograd follows."""
    return {
        k: get_gradient_edge(leaf) for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad
    }


class _Uses(TorchFunctionMode):
    """Notes the parameters that each torch function takes, when autograd follows what it gives."""

    def __init__(self, trace: Trace, parameters: set[int], stack: list[nn.Module]) -> None:
        super().__init__()
        self._trace, self._parameters, self._stack = trace, parameters, stack

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's own result."""
        del types
        result = func(*args, **(kwargs or {}))
        taken = {id(leaf) for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)} & self._parameters
        if taken and any(isinstance(leaf, Tensor) and leaf.grad_fn is not None for leaf in tree_flatten(result)[0]):
            for parameter in taken:
                self._trace.sites[parameter].append(tuple(self._stack))
        return result


def trace(model: nn.Module, x: Tensor) -> Trace:
    """Run the model on x [B, ...] in the mode it is in, and tell what happened."""
    found, stack = Trace(len(x)), list[nn.Module]()
    parameters = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    with _hooks(model, found, stack), _Uses(found, parameters, stack):
        model(x)
    return found


@contextmanager
def _hooks(model: nn.Module, found: Trace, stack: list[nn.Module]) -> Iterator[None]:
    pending: list[Call] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        stack.append(module)
        leaves = tree_flatten((args, kwargs))[0]
        positional = not kwargs and len(args) == 1 and isinstance(args[0], Tensor)
        buffers = versions(list(module.buffers()))
        pending.append(Call(tuple(stack), leaves, positional, versions(leaves), buffers))

    def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        del args, kwargs
        call = pending.pop()
        stack.pop()
        call.outputs = tree_flatten(output)[0]
        call.edges = edges_of(call.outputs)
        call.changed_buffers = versions(list(module.buffers())) != call.buffers
        if call.edges:
            found.calls[module].append(call)

    with ExitStack() as handles:
        for module in model.modules():
            handles.callback(module.register_forward_pre_hook(before, with_kwargs=True, prepend=True).remove)
            handles.callback(module.register_forward_hook(after, with_kwargs=True).remove)
        yield
