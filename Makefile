# `make help` lists the targets. Everything a target needs, it sets up by itself.
SHELL := /bin/bash
CACHE := $(or $(K8SEXT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/k8sext)
PY := .venv/bin/python
NS := dev

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

.venv/.ready: requirements-dev.txt pyproject.toml tests/setup.sh
	@bash tests/setup.sh "$(CACHE)"
	@touch $@

.PHONY: env lab-build lab-up lab-down demo test lint bench unit
# Bytecode as in an installed package, also where PYTHONDONTWRITEBYTECODE is set.
env: .venv/.ready  ## Python environment (.venv), locked with hashes
	@$(PY) -m compileall -q k8sext checks reports

lab-build: env
	@$(PY) -m tests.lab build

lab-up: lab-build  ## Real Kubernetes and servers on this machine (root)
	@$(PY) -m tests.lab up

lab-down: env  ## End the lab; leaves nothing behind
	@$(PY) -m tests.lab down

# The lab needs root on Linux; without, the self-test shows the same table of servers on loopback.
ifeq ($(shell uname)-$(shell id -u),Linux-0)
demo: lab-up  ## Lab up, provision the five base bridges, doctor on them
	@$(PY) -m tests.demo
else
demo: env
	@echo "demo: the lab needs root on Linux; in its place: k8sext selftest"
	@.venv/bin/k8sext selftest
endif

lint: env  ## ruff, mypy, pyright, import-linter, typos
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/pyright --pythonpath $(PY)
	@.venv/bin/lint-imports
	@.venv/bin/typos

unit: env  ## Fast tests: no root, no lab
	@.venv/bin/pytest -q -m "not lab"

test: lint lab-up  ## Everything, lab included: its tests and those without it side by side
	@$(MAKE) --no-print-directory --jobs 2 unit-told-at-the-end lab-tests

.PHONY: lab-tests unit-told-at-the-end
lab-tests: env
	@.venv/bin/pytest -q -m lab

unit-told-at-the-end: env
	@told=$$(mktemp); .venv/bin/pytest -q -m "not lab" >$$told 2>&1; code=$$?; cat $$told; rm $$told; exit $$code

.PHONY: fuzz
fuzz: env  ## 2,000 hostile servers of each protocol, floods, bombs, ends of TLS; about 15 min. SEED=N, JSON=FILE
	@$(PY) -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

.PHONY: faults
faults: env  ## Everything that an API server or a proxy can say, some 400 kinds, each once and for ever
	@K8SEXT_FAULTS=all .venv/bin/pytest -q tests/faults

.PHONY: release
release: env  ## dist/: the wheel of what is committed, the same bytes each time, and its SBOM
	@bash tests/release.sh "$(CACHE)" dist

bench: lab-up  ## Ratios against kubectl and the floor; JSON=FILE writes them
	@$(PY) -m tests.bench $(if $(JSON),--json $(JSON))

.PHONY: compat-servers
compat-servers: env  ## Real servers of many versions, one after another (root; not part of test)
	@$(PY) -m tests.compat $(if $(TO),--to $(TO))

.PHONY: gym
gym: lab-up  ## Fault gym: is every verdict right? CASES=DIR for yours, SEED=N the order, JSON=FILE writes the score
	@$(PY) -m tests.gym $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

.PHONY: sequence
sequence: lab-up  ## Demo, tests and gym on one lab in any order, some of them killed; about 10 min
	@$(PY) -m tests.sequence

.PHONY: soak
soak: lab-up  ## 100 runs ended at random moments leave nothing; about 10 min. SEED=N, RUNS=N, JSON=FILE
	@$(PY) -m tests.soak $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(JSON),--json $(JSON))
