"""More paired seeds of a sweep: every list of seeds in its text grows by the same number."""

from collections.abc import Mapping
from typing import Any

import yaml

from orchestrator.errors import UserError
from orchestrator.load import LoadedSweep, parse_sweep
from orchestrator.yaml_file import parse_yaml


def seeds_of(loaded: LoadedSweep) -> list[int]:
    """The seeds of a sweep's trials."""
    return sorted({spec.seed for spec in loaded.specs.values()})


def with_more_seeds(loaded: LoadedSweep, more: int) -> LoadedSweep:
    """The same sweep with `more` further seeds of every condition, so that all conditions stay paired.

    Its text becomes plain YAML without comments; raises UserError where a seed is no axis.
    """
    if more == 0:
        return loaded
    raw = parse_yaml(loaded.definition, loaded.name)
    scale = loaded.name.removeprefix(f"{raw['name']}.") if loaded.name != raw["name"] else None
    text = yaml.safe_dump(_grown(raw, more), sort_keys=False, default_flow_style=None, width=120)
    grown = parse_sweep(text, loaded.name, scale)
    if len(seeds_of(grown)) != len(seeds_of(loaded)) + more:
        raise UserError(
            f"{loaded.name}: seeds can be added only where `seed` is an axis of every trial;"
            " write `seed: {range: [0, 3]}` under axes."
        )
    return grown


def _grown(value: Any, more: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _more(item, more) if key == "seed" else _grown(item, more) for key, item in value.items()}
    return [_grown(item, more) for item in value] if isinstance(value, list) else value


def _more(seeds: Any, more: int) -> Any:
    if isinstance(seeds, Mapping):
        first, last = seeds["range"]
        return {"range": [first, last + more]}
    if isinstance(seeds, list):
        return [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + more)]
    return seeds
