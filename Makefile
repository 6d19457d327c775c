# `make` lists what there is. PYTHON is the interpreter to use, one with '.[dev]' installed.
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)

.DEFAULT_GOAL := help
.PHONY: help venv check format test django cover bench peers report costs chaos soak demo docs dist clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

venv: ## .venv with everything that the other targets need
	python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'

check: ## format, lint, types, layers, documents: no services, a few seconds
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict huey_green/
	$(PYTHON) -m pytest -q tests/architecture tests/docs/test_documented.py

format: ## rewrite the code as ruff wants it
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

test: ## all tests; starts its own Redis
	$(PYTHON) -m pytest -n 4 --all-kinds

django: ## the tests of Django with all its supported versions
	$(PYTHON) tests/django/versions.py

cover: ## all tests, with branch coverage
	$(PYTHON) -m pytest -n 4 --cov --cov-report=term

bench: ## all that is measured beside a bare loop on the same Redis
	$(PYTHON) -m benchmarks all

peers: ## the same tasks with huey, Celery, dramatiq, arq, taskiq, SAQ and RQ, in a few minutes
	$(PYTHON) -m benchmarks peers --quick

report: ## the same at length, written to docs/: on a quiet machine, more than an hour
	$(PYTHON) -m benchmarks peers --report docs/benchmarks-report.md --charts docs/charts

costs: ## has anything become twice as expensive? Within a minute
	$(PYTHON) -m benchmarks check

chaos: ## break what can break under a running queue, for half an hour, and account for every task
	$(PYTHON) -m chaos --minutes 30

soak: ## two million tasks through one consumer: nothing may grow
	$(PYTHON) -m chaos soak

demo: ## crawl a few thousand pages and see what that takes
	$(PYTHON) -m huey_green demo

docs: ## the site, in build/docs; any warning is an error
	$(PYTHON) -m sphinx -n -W --keep-going -q docs build/docs
	@echo "see build/docs/index.html"

dist: ## wheel and source distribution, in dist/
	$(PYTHON) -m build

clean: ## remove what was built
	rm -rf build dist *.egg-info .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
