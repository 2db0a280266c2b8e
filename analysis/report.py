"""One HTML page about a sweep: one file without external resources, everything from data escaped.

Its script is its own and known by its hash: the page's policy lets nothing else run, and nothing be fetched."""

import base64
import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from analysis.definition import parsed
from analysis.errors import Skipped
from analysis.evaluation import evaluate
from analysis.failed import failures
from analysis.figures import FIGURES
from analysis.gallery import Drawn, NotDrawn, code_version, draw_all
from analysis.launches import Launch, launches
from analysis.limits import Limit, limits
from analysis.stats import KIND_WORDS, kind_of
from analysis.store import Store
from analysis.sweeps import Sweep, cell_label, view
from analysis.theme import number, percent
from analysis.verdict import Claim
from trainables.records import relative

TEMPLATE = "report.html.j2"
FINISHED = ("completed", "diverged", "stopped")
"""Outcomes of an attempt that made its trial done."""
LIMITS_NEED = ("label-noise", "evolution", "weak-directions")
ORDER = ("supported", "contradicted", "mixed", "inconclusive", "not measured")
COLUMNS = (
    ("trial", False),
    ("model", False),
    ("labels", False),
    ("aggregator", False),
    ("seed", True),
    ("outcome", False),
    *((split, True) for split in ("train", "pristine", "corrupt", "test")),
)
"""Of the table of trials: name, whether it holds numbers."""

FILTERS = {
    "model": "model_label",
    "labels": "noise_label",
    "aggregator": "aggregator_label",
    "seed": "spec_seed",
    "outcome": "outcome",
}
TAGS = {
    "S": "seen in the paper's own text",
    "C": "seen in the authors' released code",
    "N": "known here from secondary notes only",
}


@dataclass(frozen=True)
class Cost:
    """What the planned trials took, failed attempts included. CPU seconds unless said.

    wall_s: summed over attempts that ended. gpu_s: of them on a GPU; trials that share one count each.
    """

    cpu_s: float
    measure_s: float
    wall_s: float
    gpu_s: float
    attempts: int
    unfinished: int
    peak_memory_mib: float | None
    plan: "Expected | None"
    launches: tuple[Launch, ...] = ()

    @property
    def measuring_share(self) -> str:
        """Share of the CPU seconds that went into probes and evaluations."""
        return percent(self.measure_s / self.cpu_s) if self.cpu_s > 0 else "undefined"


@dataclass(frozen=True)
class Expected:
    """How right the plan was: CPU seconds over the trials of which both are known, every attempt included.

    ratios: of used to expected by trial: lower quartile, median, upper quartile.
    """

    trials: int
    expected_s: float
    used_s: float
    ratios: tuple[float, float, float]


def render(store: Store, sweep: Sweep, results: Iterable[Drawn | NotDrawn] | None = None) -> str:
    """The page as text. results: figures drawn already."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": percent, "number": number}
    style, script = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template(TEMPLATE).render(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        **content(store, sweep, draw_all(store, sweep) if results is None else results),
    )


def _hash(text: str) -> str:
    """As a content security policy names what may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def in_script(content: object) -> str:
    """JSON that stays data inside a script element, whatever it holds."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content(store: Store, sweep: Sweep, results: Iterable[Drawn | NotDrawn]) -> dict[str, Any]:
    """Everything the template shows."""
    named = shlex.quote(sweep.name)
    figures = [_figure(result, f"coherence figures {named} --only ") for result in results]
    claims, trials = evaluate(store, sweep), _trials(sweep)
    return {
        "sweep": sweep,
        "question": _question(sweep.definition),
        "axes": _axes(sweep),
        "claims": claims,
        "unmeasured": [claim.name for claim in claims if all(row.verdict == "not measured" for row in claim.rows)],
        "figures": figures,
        "limits": _limits(store, sweep),
        "trials": trials,
        "columns": COLUMNS,
        "filters": [
            (name, list(dict.fromkeys(str(trial[column]) for trial in trials))) for name, column in FILTERS.items()
        ],
        "short": short(claims),
        "failures": failures(store, [cell.trial_id for cell in sweep.missing]),
        "retry": f"coherence retry {named}",
        "cost": cost(store, sweep),
        "provenance": _provenance(sweep),
        "damaged": {relative(path, store.path): why for path, why in store.check(sweep.trial_ids).items()},
        "tags": TAGS,
        "interval": KIND_WORDS[kind_of(sweep.trials["seed"].n_unique())],
        "version": code_version(),
    }


def _limits(store: Store, sweep: Sweep) -> tuple[Limit, ...]:
    """On the sweeps of a collection that train one network long enough to show them."""
    try:
        return limits(store, view(store, sweep, LIMITS_NEED))
    except Skipped:
        return ()


def _figure(result: Drawn | NotDrawn, command: str) -> dict[str, Any]:
    if isinstance(result, NotDrawn):
        return {**vars(result), "picture": None}
    return {
        "name": result.name,
        "title": result.title,
        "picture": base64.b64encode(_bare(result.svg)).decode(),
        "width": round(result.marks["width"]),
        "height": round(result.marks["height"]),
        "marks": in_script(result.marks),
        "command": command + result.name,
        "caption": result.caption,
        "published": result.published,
        "made": result.made,
        "papers": FIGURES[result.name].papers,
    }


def _bare(svg: bytes) -> bytes:
    """Without the metadata, which name every trial; the file on disk keeps them."""
    return re.sub(rb"<metadata>.*?</metadata>|<!--.*?-->", b"", svg, flags=re.DOTALL)


def short(claims: Sequence[Claim]) -> dict[str, Any]:
    """counts: how many claims came to what; sentences: (verdict, what was found), of the claims that were measured."""
    worst = [(claim, _verdict(claim)) for claim in claims]
    counts = Counter(verdict for _, verdict in worst)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    told = sorted(
        ((verdict, claim.statement) for claim, verdict in worst if verdict != "not measured"),
        key=lambda pair: ORDER.index(pair[0]),
    )
    mixed = " Mixed: its contrasts came to different verdicts." if counts["mixed"] else ""
    return {"counts": f"Of {len(claims)} published claims: {said}.{mixed}", "sentences": told}


def _verdict(claim: Claim) -> str:
    """Of a claim with several rows: the one that all measured rows share, `mixed` where they differ."""
    found = {row.verdict for row in claim.rows} - {"not measured"}
    return next(iter(found)) if len(found) == 1 else "mixed" if found else "not measured"


def _question(definition: str) -> str:
    """`description` of the sweep file; empty where it has none or is no longer readable."""
    description = parsed(definition).get("description")
    return description if isinstance(description, str) else ""


def _axes(sweep: Sweep) -> list[tuple[str, str]]:
    planned = sweep.planned
    names = {
        "models": "model_label",
        "labels": "noise_label",
        "aggregators": "aggregator_label",
        "seeds": "spec_seed",
    }
    rows = [(name, ", ".join(map(str, planned[column].unique(maintain_order=True)))) for name, column in names.items()]
    models = sweep.trials.unique("model_label", maintain_order=True).drop_nulls("parameters")
    sizes = ", ".join(f"{name} {count:,}" for name, count in models.select("model_label", "parameters").iter_rows())
    rows.append(("parameters", sizes))
    fields = ("dataset", "train_examples", "batch_size", "epochs", "steps", "optimizer", "lr")
    for field in fields:
        values = sweep.trials[field].unique(maintain_order=True).drop_nulls()
        rows.append((field.replace("_", " "), ", ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in values)))
    return rows


def _trials(sweep: Sweep) -> list[dict[str, Any]]:
    """Planned trials in order, with final numbers where they completed."""
    done = {row["trial_id"]: row for row in sweep.trials.iter_rows(named=True)}
    states = {cell.trial_id: cell.state for cell in sweep.missing}
    rows = []
    for planned in sweep.planned.iter_rows(named=True):
        result = done.get(planned["trial_id"], {})
        finals = {split: result.get(f"final_{split}_accuracy") for split in ("train", "pristine", "corrupt", "test")}
        outcome = result.get("outcome") or states[planned["trial_id"]]
        rows.append({**planned, "cell": cell_label(planned), "outcome": outcome, "finals": finals})
    return rows


def cost(store: Store, sweep: Sweep) -> Cost:
    """Sums over attempts; an attempt that was recorded at start and end counts once, by its last record."""
    attempts = store.read_all("attempts", sweep.planned["trial_id"].to_list())
    last = attempts.sort("ended_at", nulls_last=False).unique(["trial_id", "attempt"], keep="last")
    ended = last.drop_nulls("ended_at")
    wall = ended["ended_at"] - ended["started_at"]
    peak = last["peak_memory_mib"].max()
    return Cost(
        cpu_s=float(last["cpu_s"].sum()),
        measure_s=float(last["measure_s"].sum()),
        wall_s=float(wall.sum()),
        gpu_s=float(wall.filter(ended["device"] != "cpu").sum()),
        attempts=last.height,
        unfinished=last.filter(~pl.col("outcome").is_in(FINISHED)).height,
        peak_memory_mib=None if peak is None else float(peak),  # type: ignore[arg-type]
        plan=expected(last),
        launches=tuple(launches(sweep.trials, last)),
    )


def expected(attempts: pl.DataFrame) -> Expected | None:
    """Of the finished trials whose attempts all say what they used and the first of which says what was expected.

    A later attempt may have been planned with more knowledge: the first expectation counts. A lost attempt used an
    unknown amount, so that its trial is left out.
    """
    trials = (
        attempts.sort("attempt")
        .group_by("trial_id")
        .agg(
            pl.col("estimated_s").first().alias("expected"),
            pl.col("cpu_s").sum().alias("used"),
            pl.col("cpu_s").is_null().any().alias("lost"),
            pl.col("outcome").is_in(FINISHED).any().alias("finished"),
        )
        .filter(pl.col("finished") & ~pl.col("lost") & (pl.col("expected") > 0))
    )
    if trials.is_empty():
        return None
    ratios = trials["used"] / trials["expected"]
    low, middle, high = (float(ratios.quantile(q, "linear")) for q in (0.25, 0.5, 0.75))  # type: ignore[arg-type]
    return Expected(trials.height, float(trials["expected"].sum()), float(trials["used"].sum()), (low, middle, high))


def _provenance(sweep: Sweep) -> list[tuple[str, str, int]]:
    """(what, value, number of trials) for every distinct value in the provenance; nested keys joined by dots. What was
    expected of a launch stands under Cost."""
    counts: Counter[tuple[str, str]] = Counter()
    for text in sweep.trials["provenance"].drop_nulls():
        counts.update({pair for pair in _flat("", _parsed(text)) if not pair[0].startswith("launch.")})
    digests = sweep.trials["data_sha256"].drop_nulls().unique().len()
    rows = [(what, value, count) for (what, value), count in sorted(counts.items())]
    versions = ", ".join(map(str, sweep.trials["numerics_version"].drop_nulls().unique().sort()))
    return [
        *rows,
        ("numerics version", versions, sweep.trials.height),
        ("distinct data digests", str(digests), sweep.trials.height),
    ]


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return {"provenance": text}


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _flat(f"{prefix}.{key}" if prefix else str(key), item)]
    if isinstance(value, list):
        return [(prefix, " ".join(map(str, value)))]
    return [(prefix, str(value))]
