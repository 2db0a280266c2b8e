"""What the verbs print: plans, counts by state, and what there is to choose from."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.estimates import Amount
from orchestrator.fields import describe, describe_value
from orchestrator.load import LoadedSweep, builtin_sweeps, parse_sweep
from orchestrator.plan import Plan
from orchestrator.remaining import duration, span
from orchestrator.states import Status
from orchestrator.store import Store
from trainables.plugins import PluginError, Registry
from trainables.registry import Entry
from trainables.sinks import SINKS
from trainables.spec import ALL_REGISTRIES, TrialSpec

FIRST = 5
STATES = ("done", "running", "pending", "failed", "diverged", "stopped")


def plan_lines(plan: Plan, loaded: LoadedSweep, store: Store) -> Iterator[str]:
    """What a run would do."""
    yield f"sweep {loaded.name}: {len(loaded.specs)} trials. {loaded.sweep.description}".rstrip()
    for name, values in loaded.sweep.axes.items():
        yield f"  {name}: {', '.join(describe_value(value) for value in values)}"
    for member in loaded.members:
        yield f"  {member.name}: {len(member.specs)} trials"
    yield f"states: {counts(plan.status)}"
    if plan.stale:
        yield f"stale: {len(plan.stale)} done with an older numerics version; --rerun-stale of `run` replaces them"
    if plan.to_run:
        yield f"to run: {len(plan.to_run)} trials ({plan.basis})"
        yield from _costs(plan)
        for identity in list(plan.to_run)[:FIRST]:
            yield f"  {identity}  {trial_line(plan.to_run[identity])}"
        if len(plan.to_run) > FIRST:
            yield f"  and {len(plan.to_run) - FIRST} more"
    else:
        yield "nothing to run: every trial is done"
    yield f"store: {store.root}{'' if store.exists else ' (a run would make it)'}"


def _costs(plan: Plan) -> Iterator[str]:
    """CPU, GPU, wall time and disk, each with its interval."""
    cpu, wall, disk = plan.cpu, plan.wall, plan.disk
    yield f"  CPU:  {_hours(cpu, 'core-hours')}"
    if (gpu := plan.gpu).middle and not plan.notice:
        yield f"  GPU:  {_hours(gpu, 'GPU-hours')}, where there is one"
    if plan.packing.auto:
        yield f"  {_shares_line(plan)}"
    if plan.notice:
        yield f"  {plan.notice}"
    where = f" on {len(plan.cluster.nodes)} nodes" if plan.cluster else ""
    yield f"  wall: about {duration(wall.middle)} ({span(wall.low, wall.high)}) with {plan.workers} at once{where}"
    if plan.cluster and (money := plan.money):
        yield (
            f"  money: about {money.middle:.2f} ({money.low:.2f} to {money.high:.2f}),"
            f" {plan.cluster.price:g} per node-hour, every node until the end"
        )
    yield f"  disk: about {size(disk.middle)} ({size(disk.low)} to {size(disk.high)})"


def _shares_line(plan: Plan) -> str:
    """What the counting with shares of a GPU rests on."""
    unknown, kinds = plan.packing.unknown(plan.to_run.values())
    if not unknown:
        return f"gpu: auto: the shares of all {kinds} kinds of trial were measured by launches into this store"
    return (
        f"gpu: auto: the shares of {unknown} of {kinds} kinds of trial are not measured yet: a whole GPU for each,"
        f" at the lower end up to {plan.packing.most} at once on one"
    )


def _hours(amount: Amount, unit: str) -> str:
    return f"about {duration(amount.middle)} ({span(amount.low, amount.high)}), {amount.middle / 3600:.2g} {unit}"


def size(count: float) -> str:
    """'870 bytes', '12 kB', '3.4 MB', '1.2 GB'; powers of a thousand."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 100 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} bytes"


def trial_line(spec: TrialSpec) -> str:
    """The choices that tell trials apart, in one line."""
    return describe({name: getattr(spec, name) for name in ("model", "corruption", "aggregator", "seed")})


def counts(status: Status) -> str:
    """`done 3, pending 1`."""
    found = [f"{state} {getattr(status, state)}" for state in STATES if getattr(status, state)]
    return ", ".join(found) or "no trials"


def status_lines(statuses: Sequence[Status]) -> Iterator[str]:
    """A table of counts, one line per sweep."""
    width = max([len("sweep"), *(len(status.sweep) for status in statuses)])
    yield f"{'sweep':<{width}}  {'planned':>8}" + "".join(f"  {state:>8}" for state in STATES)
    for status in statuses:
        cells = "".join(f"  {getattr(status, state):>8}" for state in STATES)
        yield f"{status.sweep:<{width}}  {status.planned:>8}{cells}"


def list_lines(stored: Sequence[str], describe_all: bool) -> Iterator[str]:
    """Sweeps and the entries of every registry."""
    yield "sweeps"
    for name, text in builtin_sweeps().items():
        loaded = parse_sweep(text, name)
        yield f"  {name:<22} {len(loaded.specs)} trials. {loaded.sweep.description}"
    for name in stored:
        if name not in builtin_sweeps():
            yield f"  {name:<22} (in the store)"
    for kind, registry in {**ALL_REGISTRIES, "sink": SINKS}.items():
        yield kind
        for name, entry in registry.each() if isinstance(registry, Registry) else registry.items():
            yield f"  {name:<22} {_summary(entry)}{_publisher(registry, name)}"
            yield from _parameters(entry) if describe_all and isinstance(entry, Entry) else ()
        yield from (f"  {note}" for note in registry.notes()) if isinstance(registry, Registry) else ()


def _summary(entry: Entry | PluginError) -> str:
    return entry.summary if isinstance(entry, Entry) else f"cannot be used: {entry}"


def _publisher(registry: Mapping[str, Entry], name: str) -> str:
    plugin = registry.plugin_of(name) if isinstance(registry, Registry) else None
    return f" [{plugin.who}]" if plugin else ""


def _parameters(entry: Entry) -> Iterator[str]:
    doc = " ".join((entry.params.__doc__ or "").split())
    yield f"      {doc}"
    yield from (f"      {line}" for line in parameters(entry))


def parameters(entry: Entry) -> Iterator[str]:
    """`width: default 64, >= 1`, of each parameter."""
    for name, field in entry.params.model_fields.items():
        if name != "name":
            default = "required" if field.is_required() else f"default {field.default!r}"
            yield ", ".join([f"{name}: {default}", *_limits(field.metadata)])


def _limits(metadata: Sequence[object]) -> Iterator[str]:
    for attribute, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
        yield from (f"{sign} {getattr(limit, attribute):g}" for limit in metadata if hasattr(limit, attribute))
