"""docs/coverage.md: what the engine measures, by which path, and what it refuses; made of the tables under test.

python -m tests.trainables.coverage > docs/coverage.md
"""

from collections.abc import Iterator

from tests.trainables.fallbacks import FALLBACKS
from tests.trainables.problems import RULED, Case
from tests.trainables.refused import REFUSED

CASES: dict[str, Case] = {**RULED, **FALLBACKS}

HEAD = """\
# Coverage

Every line is a test: the case takes the path it names, and its norms, sums, rows, squared sums, dot products and Gram
matrix equal a loop over examples. `rule` is a closed form beside the ordinary backward pass, see
[estimators](estimators.md). `torch.func` runs the smallest module that accounts for all uses of the parameters again,
on one example at a time: exact, and dearer. Nothing is approximated: what is left is refused at the first step, by
name. A case marked *evaluation mode* is measured by the estimator `eval-mode`. All of it holds in both modes of the
[engine](engine.md): in `fused`, what takes another path than `rule`, or is used several times, keeps autograd's weight
gradient.

This page is generated: `python -m tests.trainables.coverage > docs/coverage.md`.
"""


def path(case: Case) -> str:
    """How the layers of a case are measured."""
    if not case.through:
        return "rule"
    layers: dict[str, list[str]] = {}
    for layer, owner in case.through.items():
        layers.setdefault(owner, []).append(layer)
    parts = []
    for owner, names in layers.items():
        others = ", ".join(f"`{name}`" for name in names if name != owner)
        parts.append(f"{others} through `{owner}`" if owner not in names else f"`{owner}`{', ' * bool(others)}{others}")
    return f"torch.func: {'; '.join(parts)}"


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    yield "## Measured\n"
    yield "| case | what it is | path |"
    yield "|---|---|---|"
    for name, case in CASES.items():
        mode = " (*evaluation mode*)" if case.eval_mode else ""
        yield f"| {name} | {case.says}{mode} | {path(case)} |"
    yield "\n## Refused\n"
    yield "| case | why |"
    yield "|---|---|"
    for name, refused in REFUSED.items():
        mode = " (*evaluation mode*)" if refused.eval_mode else ""
        yield f"| {name} | {refused.says}{mode} |"


def page() -> str:
    """The whole page."""
    return "\n".join(lines()) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
