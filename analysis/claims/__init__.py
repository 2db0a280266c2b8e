"""Published claims by name, in the order of the papers. Each module has evaluate(store, sweep) -> Claim; its margin
is a constant in the file, fixed before the data. All of them are always shown.

To add one: a module here and a line in CLAIMS; from another distribution, an entry point `gradient_coherence.claims`
that resolves to an Entry.
"""

from dataclasses import dataclass

from trainables.plugins import Plugin, Registry, check_api


@dataclass(frozen=True)
class Entry:
    """module: where the code is; needs: built-in sweeps whose trials decide it. Other sweeps may too. api: the plugin
    API that an entry of another distribution is written for."""

    module: str
    needs: tuple[str, ...] = ()
    api: int = 1


def _checked(plugin: Plugin, found: object) -> Entry:
    return check_api(plugin, found, Entry)


def _entry(name: str, *needs: str) -> tuple[str, Entry]:
    return name, Entry(f"analysis.claims.{name.replace('-', '_')}", needs)


_BUILTIN: dict[str, Entry] = dict(
    [
        _entry("more-noise-slower", "label-noise", "evolution"),
        _entry("pristine-before-corrupt", "label-noise", "evolution"),
        _entry("test-peaks-early", "label-noise"),
        _entry("pristine-drive-early", "label-noise"),
        _entry("corrupt-drive-late", "label-noise"),
        _entry("winsorizing-below-proper", "winsorizing"),
        _entry("winsorizing-overfits-less", "winsorizing"),
        _entry("large-levels-cost-fit", "winsorizing"),
        _entry("robust-memorises-less", "weak-directions", "second-network", "winsorizing"),
        _entry("robust-improves-final-test", "weak-directions", "second-network", "winsorizing"),
        _entry("robust-beats-early-stopping", "weak-directions", "second-network", "winsorizing"),
        _entry("robust-at-equal-pristine", "weak-directions", "second-network", "winsorizing"),
        _entry("median-not-averaging", "weak-directions", "second-network"),
        _entry("prevents-in-the-long-run", "long-run"),
        _entry("learning-rate-not-the-reason", "learning-rate"),
        _entry("easy-more-coherent", "easy-hard"),
        _entry("easy-generalises-better", "easy-hard"),
        _entry("adversarial-start-hurts", "adversarial-start"),
        _entry("near-m-at-first", "first-steps"),
        _entry("double-sample-same", "sample-size"),
        _entry("real-above-random-early", "label-noise", "evolution", "alexnet"),
        _entry("real-above-random-at-equal-loss", "label-noise", "evolution", "alexnet"),
        _entry("broad-parabola", "label-noise", "evolution", "alexnet"),
        _entry("orthogonal-at-start", "label-noise", "evolution", "alexnet"),
        _entry("orthogonal-at-end", "label-noise", "evolution", "alexnet"),
        _entry("random-below-five", "label-noise", "evolution", "alexnet"),
        _entry("random-rises-while-memorised", "label-noise", "evolution", "alexnet"),
        _entry("first-layer-below-one", "evolution", "alexnet"),
        _entry("convolutions-above-fully-connected", "evolution", "alexnet"),
        _entry("alexnet-random-high", "alexnet"),
        _entry("noise-pixels-memorised-less", "random-pixels"),
    ]
)

CLAIMS = Registry(("claims",), _BUILTIN, _checked)
