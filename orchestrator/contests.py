"""Which early stopping a launch is under."""

from orchestrator.early_stopping import Contest
from orchestrator.load import LoadedSweep


def contest_of(loaded: LoadedSweep) -> Contest | None:
    """The rule of a sweep; none of a collection, whose sweeps share trials and would judge them by different rules."""
    rule = loaded.sweep.early_stopping
    return None if rule is None else Contest(rule, loaded.name)


def early_stopping_note(loaded: LoadedSweep, *, off: bool) -> str | None:
    """What a run says of it; nothing where no sweep asks for it."""
    rule = loaded.sweep.early_stopping
    asking = [member.name for member in loaded.members if member.sweep.early_stopping]
    if asking:
        return f"early stopping of {', '.join(asking)} is off: in a collection every trial runs to its end"
    if rule is None:
        return None
    if off:
        return "early stopping is off for this run"
    at = ", ".join(map(str, rule.rungs))
    return f"early stopping: {rule.name} on {rule.metric} at steps {at}; what is stopped is missing from figures"
