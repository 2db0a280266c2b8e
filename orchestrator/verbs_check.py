"""The verb that looks at a whole store: fsck."""

import json
from typing import Annotated

import typer

from orchestrator.options import RESULTS, JsonOption, StoreOption, echo


def register(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(fsck)


def fsck(
    store: StoreOption = RESULTS,
    repair: Annotated[bool, typer.Option("--repair", help="Do what is safe about the findings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at every file of the store: damage, ids, numbers of rows, leftovers. Exit code 1 where anything is found.

    Example: coherence fsck --repair
    """
    from orchestrator.fsck import fsck as look
    from orchestrator.repair import Repair
    from orchestrator.repair import repair as mend
    from orchestrator.store import open_store

    opened = open_store(store)
    findings = look(opened)
    result = mend(opened, findings) if repair else Repair([], findings)
    if as_json:
        left = [
            {"path": each.path, "kind": each.kind, "why": each.why, "advice": each.advice, "trial_id": each.trial_id}
            for each in result.left
        ]
        echo([json.dumps({"findings": left, "repaired": result.done})])
    else:
        echo([*result.done, *(each.line for each in result.left)])
        echo([_summary(str(store), result.done, len(result.left))])
    if result.left:
        raise typer.Exit(1)


def _summary(store: str, done: list[str], left: int) -> str:
    if left:
        return f"store {store}: {left} findings{' left, ' + str(len(done)) + ' repaired' if done else ''}"
    return f"store {store}: repaired, {len(done)} things done" if done else f"store {store}: whole"
