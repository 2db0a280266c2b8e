"""Published claims by name. Each module has evaluate(store, sweep) -> Claim; its margin is a constant
in the file, fixed before the data. All of them are always shown.

To add one: a module here and a line in CLAIMS.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """module: where the code is; needs: built-in sweeps whose trials decide it. Other sweeps may too."""

    module: str
    needs: tuple[str, ...] = ()


CLAIMS: dict[str, Entry] = {
    "real-above-random-early": Entry("analysis.claims.real_above_random_early", ("label-noise", "evolution")),
    "pristine-before-corrupt": Entry("analysis.claims.pristine_before_corrupt", ("label-noise", "evolution")),
    "robust-memorises-less": Entry(
        "analysis.claims.robust_memorises_less", ("winsorizing", "weak-directions", "second-network")
    ),
}
