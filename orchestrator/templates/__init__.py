"""Template packages of `coherence new`: a folder a kind, and `common`; names in @CAPITALS@ are filled in."""
