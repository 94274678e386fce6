# Everything a newcomer needs: `make demo`, `make test`. Nothing but Python 3.11+ and make has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo serve test lint bench nightly

help:
	@echo "make demo     found a company of agents and watch it work"
	@echo "make serve    start the server"
	@echo "make test     run all tests"
	@echo "make lint     ruff and mypy"
	@echo "make bench    measure"
	@echo "make nightly  the long form of the tests that have one"

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@touch $@

serve: $(VENV)/.installed
	$(BIN)/opencognit serve

demo: $(VENV)/.installed
	$(BIN)/opencognit demo

test: $(VENV)/.installed
	sh tests/actors/fetch_pykka_suite.sh $(VENV)/pykka-source $(BIN)/python
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p opencognit

bench: $(VENV)/.installed
	$(BIN)/python -m bench

nightly: $(VENV)/.installed
	KILLS=500 LIVES=2000 FUZZING_SECONDS=1800 $(BIN)/python -m pytest tests/promises -s --timeout 7200
