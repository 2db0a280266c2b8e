"""Whether this machine can load the data sets of a sweep; a driver asks it of every node before the first trial."""

from collections.abc import Iterable, Sequence

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import one_line
from trainables.choosing import choice_type
from trainables.datasets import DATASETS, lacks
from trainables.registry import Choice
from trainables.spec import TrialSpec


def data_of(specs: Iterable[TrialSpec]) -> list[str]:
    """The data sets that these trials read, as JSON; of subsets of one set the first."""
    found: dict[tuple[str, str], Choice] = {}
    for spec in specs:
        found.setdefault((spec.dataset.name, getattr(spec.dataset, "digest", "")), spec.dataset)
    return [choice.model_dump_json(exclude_defaults=True) for choice in found.values()]


def missing_data(wanted: Sequence[str]) -> list[str]:
    """What this machine lacks to load these data sets (JSON): a line each, none twice."""
    return list(dict.fromkeys(line for each in wanted if (line := _lacks(each)) is not None))


def _lacks(wanted: str) -> str | None:
    """A folder of images that is not known here is refused when it is named already."""
    try:
        choice = TypeAdapter(choice_type("dataset", DATASETS)).validate_json(wanted)
    except ValidationError as error:
        return one_line(error.errors()[0]["msg"].removeprefix("Value error, "))
    return lacks(choice)
