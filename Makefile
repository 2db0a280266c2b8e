# `make help` lists the targets. PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
DEVICE ?= cpu
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-cluster check format docs models reference bench papers validation audit hashes clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "gradient-coherence needs Python 3.11 or newer, given " + sys.version.split()[0] + "; pass PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sweep,dev]'
	@touch $@

install: .venv/installed  ## create .venv and install the pinned dependencies

demo: install  ## run the built-in sweep `demo`, draw its figures and its report
	@$(BIN)/coherence demo

test: install  ## the default tests (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-all: install  ## every test that this machine can run
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not cluster'

test-cluster: install  ## sweeps on three hosts in network namespaces; Linux, root, iproute2, openssh-server, rsync
	$(BIN)/python -m pytest -q -m cluster -rs tests/cluster

check: install  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install  ## build the site of docs/ into site/; a warning is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

models: install  ## write docs/models.md from the registry of models
	$(BIN)/python -m trainables.models.table > docs/models.md

reference: install  ## write docs/registries.md from the registries and docs/cli.md from the help
	$(BIN)/python -m orchestrator.reference > docs/registries.md
	$(BIN)/python -m orchestrator.cli_reference > docs/cli.md

bench: install  ## the engine, aggregators and probes beside the libraries (DEVICE=cuda on a GPU); reading 1,000 trials
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.engine --device $(DEVICE)
	$(BIN)/python -m benchmarks.fused
	$(BIN)/python -m benchmarks.engine_page
	$(BIN)/python -m benchmarks.aggregators
	$(BIN)/python -m benchmarks.probe
	$(BIN)/python -m benchmarks.store

papers: install  ## rewrite docs/papers.md from results/, after `coherence run papers --scale laptop`
	$(BIN)/python -m benchmarks.papers

validation: install  ## hold every estimator against another on real data; rewrites docs/validation.md
	$(BIN)/python -m benchmarks.validate

audit:  ## look the pinned dependencies up among known vulnerabilities; needs a network
	@$(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit \
		|| { echo "make audit: pip-audit could not be installed; it needs a network with a package index."; exit 2; }
	@.audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r constraints.txt \
		|| { echo "make audit: the lines above name what is vulnerable, or what could not be looked up (without a network: everything)."; exit 1; }

hashes:  ## rewrite requirements-hashed.txt from constraints.txt; needs a network with a package index
	@$(PYTHON) -m venv .hashes && .hashes/bin/python -m pip install --quiet --disable-pip-version-check uv \
		|| { echo "make hashes: uv could not be installed; it needs a network with a package index."; exit 2; }
	@.hashes/bin/uv pip compile pyproject.toml --extra sweep --extra dev -c constraints.txt --universal \
		--python-version 3.11 --generate-hashes --no-annotate --quiet \
		--custom-compile-command "make hashes" -o requirements-hashed.txt

clean:  ## remove the environment and caches; results/ stays
	rm -rf site .venv .audit .hashes .ruff_cache .mypy_cache .hypothesis build *.egg-info
