# `make help` lists the targets.
PYTHON ?= python3
KAG_DATA ?= ../shared/data
LOCK ?= -c docker/constraints.txt
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO := demo
REAL := $(wildcard $(KAG_DATA)/sites_v4_both.h5)
DEMO_SPEC := $(if $(REAL),sites,demo)
DEMO_DATA := $(if $(REAL),$(abspath $(REAL)),$(DEMO)/synthetic.h5)

.DEFAULT_GOAL := help
.PHONY: help install demo test lint unit lowest newest audit kills clients server fleet bench clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Make .venv with the locked dependencies

$(INSTALLED): pyproject.toml docker/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) -e '.[dev]'
	@touch $@

demo: $(INSTALLED) $(DEMO_DATA) ## Train a small run on real data (synthetic where there is none) and write its change log
	$(BIN)/kag train runs/specs/$(DEMO_SPEC).yaml data.file=$(DEMO_DATA) --runs $(DEMO)/runs
	$(BIN)/kag changelog --source $(DEMO)/runs --write $(DEMO)/MODEL_CHANGELOG.md
	@echo "change log:  $(DEMO)/MODEL_CHANGELOG.md"
	@echo "run folders: $(DEMO)/runs (try: $(BIN)/kag runs list --runs $(DEMO)/runs)"

$(DEMO)/synthetic.h5: | $(INSTALLED)
	@mkdir -p $(DEMO)
	$(BIN)/kag data synth $@

test: lint unit ## Everything that CI runs: lint, types, layers, tests

lint: $(INSTALLED) ## ruff, mypy, import-linter, oxlint
	$(BIN)/ruff check kag tests docker
	$(BIN)/ruff format --check kag tests docker
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/oxlint --deny-warnings kag

kills: $(INSTALLED) ## Runs, sharing runs, agents and servers that are killed, refused, or left without a disk, at full number
	KAG_ALL_KILLS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/train/test_kill.py tests/forks/test_sharing_killed.py tests/e2e/test_wandb_chaos.py

clients: $(INSTALLED) ## Every feature with every supported client of W&B (about an hour); writes kag/server/CLIENTS.md
	$(BIN)/python -m tests.e2e.clients

server: $(INSTALLED) ## What the server promises, at full size: killed migrations, two servers, backups, hostile requests
	KAG_FULL_SIZE=1 $(BIN)/python -m pytest -q tests/server/test_security.py
	$(BIN)/python -m tests.server.killed_migration
	$(BIN)/python -m tests.e2e.two_servers
	$(BIN)/python -m tests.benchmarks backup hostile scan

fleet: $(INSTALLED) ## Sweeps and worlds under a real SLURM on this host (root, slurm-wlm, munge) and on Ray, where these are installed
	$(BIN)/python -m tests.fleet.slurm
	$(BIN)/python -m tests.fleet.worlds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs tests/e2e/test_fleet_ray.py

unit: $(INSTALLED) ## The tests, the slow ones too
	OMP_NUM_THREADS=1 KAG_DATA=$(KAG_DATA) $(BIN)/python -m pytest -q -n 3 --dist worksteal --durations=15

lowest: $(INSTALLED) ## The tests with the oldest dependencies that pyproject.toml allows, on each Python that is here
	KAG_DATA=$(KAG_DATA) $(BIN)/python -m tests.lowest

newest: ## The tests with the newest dependencies, locked or not
	$(MAKE) clean
	$(MAKE) unit LOCK=

audit: ## Known vulnerabilities of the locked dependencies (asks the package index)
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --requirement docker/constraints.txt --no-deps --disable-pip

bench: $(INSTALLED) ## Speed, side by side with plain references, as ratios
	KAG_DATA=$(KAG_DATA) $(BIN)/python -m tests.benchmarks

clean: ## Remove .venv, caches, the demo and the tour
	rm -rf .venv .venv-audit .venv-clients .venv-lowest $(DEMO) tour .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
