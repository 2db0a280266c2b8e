"""Made-up trials that follow any field of their spec, as the contracts of figures and claims have them."""

from analysis.contracts.worlds import LAYERS, STEPS, World, build, noise_of, over_seeds, spec

__all__ = ["LAYERS", "STEPS", "World", "build", "noise_of", "over_seeds", "spec"]
