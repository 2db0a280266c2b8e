"""`--sink`: which sinks beside the store a run was asked for, and making them for an attempt."""

import json
from collections.abc import Sequence
from functools import partial

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import UserError, one_line
from orchestrator.yaml_file import parse_yaml
from trainables.choosing import choice_type
from trainables.registry import Choice, load
from trainables.sink import Sink, TeeSink
from trainables.sinks import SINKS
from trainables.sinks.interface import Guarded, SinkTrial
from trainables.spec import TrialSpec, canonical_json, trial_id

CHOICE: TypeAdapter[Choice] = TypeAdapter(choice_type("sink", SINKS))


def parse_sinks(texts: Sequence[str]) -> tuple[str, ...]:
    """Each as JSON: a name, or a mapping in YAML such as '{name: json-lines, folder: out}'. UserError for any other."""
    return tuple(_parsed(text) for text in texts)


def beside(sink: Sink, wanted: Sequence[str], spec: TrialSpec, attempt: int) -> Sink:
    """The trial's own sink, which alone may fail it, and those that were asked for."""
    if not wanted:
        return sink
    trial = SinkTrial(trial_id(spec), attempt, canonical_json(spec))
    return TeeSink(sink, *(_made(json.loads(text), trial) for text in wanted))


def _made(content: dict[str, object], trial: SinkTrial) -> Guarded:
    name = str(content["name"])
    return Guarded(name, partial(_build, content, trial))


def _build(content: dict[str, object], trial: SinkTrial) -> Sink:
    choice = CHOICE.validate_python(content)
    made: Sink = load(SINKS[choice.name])(choice, trial)
    return made


def _parsed(text: str) -> str:
    written = parse_yaml(text, "--sink") if text.lstrip().startswith("{") else {"name": text}
    try:
        return CHOICE.validate_python(written).model_dump_json()
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = f"{found['loc'][-1]}: " if found["loc"] else ""
        raise UserError(one_line(f"--sink: {where}{found['msg']}")) from error
