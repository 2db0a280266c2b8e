"""Starting from weights that fit random labels hurts test accuracy."""

from analysis.contrasts import as_points, differences, geometric_mean, row, rows_or
from analysis.ends import at_best, at_end
from analysis.learning import evaluations
from analysis.phases import pooled, whole_network
from analysis.starts import FITTED, FRESH, starts_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.01
CONTRAST = "test accuracy at the end, fresh minus fitted to random labels"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per setting that was trained from both starts."""
    rows = []
    for label, arms, trials in starts_of(sweep):
        evals = evaluations(store, trials)
        fitted, fresh = arms[FITTED][0], arms[FRESH][0]
        epoch = int(trials["train_examples"][0]) // int(trials["batch_size"][0])
        early = {
            name: pooled(whole_network(store, trials.filter(trials["trial_id"].is_in(ids))), 0, epoch)
            for name, (ids, _) in arms.items()
        }
        said = ", ".join(f"{geometric_mean(values)} from {name}" for name, values in early.items())
        rows.append(
            row(
                label,
                CONTRAST,
                differences(at_end(evals, fitted, "test"), at_end(evals, fresh, "test")),
                MARGIN,
                as_points,
                beside=[f"m-coherence in the first epoch: {said}."],
                variants={
                    "best evaluation": differences(at_best(evals, fitted, "test"), at_best(evals, fresh, "test"))
                },
            )
        )
    return Claim(
        name="adversarial-start-hurts",
        short="a start that fits random labels hurts",
        statement="Training on real labels from weights that fit random ones generalises worse than from fresh"
        " weights.",
        source="The released trainer of Zielinski, Krishnan and Chatterjee (2020) restarts from an earlier run for"
        " this; that it hurts is known here from secondary notes on Chatterjee and Zielinski (2022).",
        evidence="C, N",
        unit="share of test examples",
        margin=MARGIN,
        reasoning="More than 1 point of a hundred.",
        rows=rows_or(
            rows, CONTRAST, "No setting was trained both from fresh weights and from weights fitted to noise."
        ),
    )
