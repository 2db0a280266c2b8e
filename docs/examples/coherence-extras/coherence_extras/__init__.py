"""Three entries for gradient-coherence; each file holds all that there is to one of them."""
