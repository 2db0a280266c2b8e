"""Measurements of the project, each in one command. A regular package: opacus installs another of this name."""
