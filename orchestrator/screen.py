"""One calm screen of a sweep: what `run` and `status --watch` show. From a snapshot to lines; no terminal here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.remaining import duration, span
from orchestrator.spark import spark

SHOWN = ("done", "running", "pending", "failed", "diverged", "stopped")
HEADS = {"done": "done", "running": "run", "pending": "wait", "failed": "fail", "diverged": "div", "stopped": "stop"}
NAME, CURVE = (16, 60), (8, 24)
"""Characters of an arm's name and of its curve, at least and at most."""


@dataclass(frozen=True)
class Snapshot:
    """A sweep at a moment.

    states, arms: by trial id, in the sweep's order. elapsed_s: since the launch, or None. left_s, between: seconds to
    the end, and their interval; None where nobody knows. slots: trials at once, 0 where unknown. curves: values of
    m-coherence by arm, the newest last. failures: trials by class of failure.
    """

    sweep: str
    states: Mapping[str, str]
    arms: Mapping[str, str]
    elapsed_s: float | None = None
    left_s: float | None = None
    between: tuple[float, float] | None = None
    per_hour: float | None = None
    slots: int = 0
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)


def screen(seen: Snapshot, width: int, height: int, *, plain: bool = False) -> list[str]:
    """Lines no longer than `width`, `height` at most: a head, a bar, a line for each arm, failures by class.

    Where there are more arms than lines, those that run come first and the rest are one line of sums.
    """
    counts = Counter(seen.states.values())
    top = [*_head(seen, counts, width)[: max(1, height - 1)], _bar(counts, len(seen.states), width, plain)]
    end = [_cut(_failures(seen), width)] if seen.failures else []
    room = height - len(top) - len(end) - 1
    table = _table(seen, width, room, plain) if room >= 2 else []
    return [*top, *table, *end][:height]


def _head(seen: Snapshot, counts: Mapping[str, int], width: int) -> list[str]:
    """In one line, or in two where that is too long."""
    total = len(seen.states)
    over = total - counts["pending"] - counts["running"]
    parts = [f"{seen.sweep}: {over} of {total} over"]
    if counts["running"]:
        parts.append(f"{counts['running']} running" + (f" of {seen.slots} slots" if seen.slots else ""))
    if seen.elapsed_s is not None:
        parts.append(f"{duration(seen.elapsed_s)} gone")
    if seen.left_s is not None and over < total:
        parts.append(f"about {duration(seen.left_s)} left" + (f" ({span(*seen.between)})" if seen.between else ""))
    if seen.per_hour is not None:
        parts.append(f"{seen.per_hour:,.0f} trials/h" if seen.per_hour >= 10 else f"{seen.per_hour:.1f} trials/h")
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(longer) <= width or not lines[-1] or len(lines) == 2:
            lines[-1] = longer
        else:
            lines.append(part)
    return [_cut(line, width) for line in lines]


def _bar(counts: Mapping[str, int], total: int, width: int, plain: bool) -> str:
    full, half, empty = ("#", "-", ".") if plain else ("█", "▒", "░")
    over = total - counts["pending"] - counts["running"]
    size = min(width, 80)
    done = size * over // max(1, total)
    running = min(size - done, -(-size * counts["running"] // max(1, total)))
    return full * done + half * running + empty * (size - done - running)


def _table(seen: Snapshot, width: int, room: int, plain: bool) -> list[str]:
    cells: dict[str, Counter[str]] = {}
    for identity, state in seen.states.items():
        cells.setdefault(seen.arms[identity], Counter())[state] += 1
    columns = [state for state in SHOWN if state in ("done", "running", "pending") or state in seen.states.values()]
    figures = sum(max(5, len(HEADS[state]) + 1) for state in columns)
    longest = max(len(name) for name in cells)
    name_width = min(max(NAME[0], longest), NAME[1], max(NAME[0], width - figures - CURVE[0] - 12))
    curve = min(CURVE[1], width - name_width - figures - 12)
    head = f"{'arm':<{name_width}}" + "".join(f"{HEADS[state]:>{max(5, len(HEADS[state]) + 1)}}" for state in columns)
    if curve >= CURVE[0]:
        head += "  m-coherence"
    shown, rest = _chosen(cells, room - 1)
    lines = [head[:width]]
    for name in shown:
        values = list(seen.curves.get(name, ())) if curve >= CURVE[0] else []
        lines.append(_row(name, cells[name], columns, name_width, values, curve, plain)[:width].rstrip())
    if rest:
        sums = sum((cells[name] for name in rest), Counter())
        lines.append(_row(f"{len(rest)} other arms", sums, columns, name_width, [], curve, plain)[:width].rstrip())
    return lines


def _chosen(cells: Mapping[str, Counter[str]], room: int) -> tuple[list[str], list[str]]:
    """Arms that get a line, in the sweep's order, and those that do not: running before failed before waiting."""
    if len(cells) <= room:
        return list(cells), []
    weight = {name: (not own["running"], not own["failed"], not own["pending"]) for name, own in cells.items()}
    first = set(sorted(cells, key=lambda name: weight[name])[: max(0, room - 1)])
    return [name for name in cells if name in first], [name for name in cells if name not in first]


def _row(
    name: str,
    own: Mapping[str, int],
    columns: Sequence[str],
    name_width: int,
    values: Sequence[float],
    curve: int,
    plain: bool,
) -> str:
    dots = "..." if plain else "…"
    text = name if len(name) <= name_width else name[: name_width - len(dots)] + dots
    line = f"{text:<{name_width}}" + "".join(
        f"{own[s] or '·' if not plain else own[s]:>{max(5, len(HEADS[s]) + 1)}}" for s in columns
    )
    return f"{line}  {spark(values, curve, plain=plain)} {values[-1]:.3g}" if values else line


def _failures(seen: Snapshot) -> str:
    said = ", ".join(f"{count} {name}" for name, count in sorted(seen.failures.items(), key=lambda item: -item[1]))
    return f"failed: {said}; why: coherence failures {seen.sweep}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."
