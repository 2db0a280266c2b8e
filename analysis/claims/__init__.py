"""Published claims by name. Each module has evaluate(store, sweep) -> Claim; its margin is a constant
in the file, fixed before the data. All of them are always shown.

To add one: a module here and a line in CLAIMS.
"""

CLAIMS: dict[str, str] = {
    "real-above-random-early": "analysis.claims.real_above_random_early",
    "pristine-before-corrupt": "analysis.claims.pristine_before_corrupt",
    "robust-memorises-less": "analysis.claims.robust_memorises_less",
}
