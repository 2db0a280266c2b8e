"""Trials of one kind share code paths and, up to the number of steps, their cost."""

from trainables.spec import TrialSpec

Kind = tuple[str, str, str]


def kind_of(spec: TrialSpec) -> Kind:
    """Name of the data set, the model with its parameters as JSON, name of the aggregator."""
    return spec.dataset.name, spec.model.model_dump_json(), spec.aggregator.name
