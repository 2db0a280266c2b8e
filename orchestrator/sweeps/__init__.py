"""Built-in sweeps, `*.yaml`: question, prediction, command and cost stand in each header."""
