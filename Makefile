# Two commands matter: `make demo` and `make test`. Each sets up a private environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check unit bench faults flood walks model fuzz format clean

help:
	@echo "make demo   simulated instruments, a broker and a database on this machine; Ctrl-C ends it with a summary"
	@echo "make test   everything that checks the project (lint, types, layers, tests)"
	@echo "make bench  measured figures, one JSON line each"
	@echo "make faults every fault at full length, and a table of what was lost (hours)"
	@echo "make model  random schedules of everything that can happen to the protocol: MODEL=2000 of them"
	@echo "make walks  random walks of gauges and meters with injected faults: none unflagged, no energy made up"
	@echo "make fuzz   100,000,000 random bytes through every framer (minutes)"
	@echo "make flood  a million forged uplinks, and a node killed while it hears (ten minutes)"
	@echo "make format rewrites the code in the project's style"

demo: $(VENV)/run.stamp
	$(BIN)/gateway demo $(DEMO)

test: $(VENV)/dev.stamp
	PATH="$$PATH:/usr/sbin" sh tests/servers.sh
	$(MAKE) --no-print-directory check unit

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The faults in their short form measure the machine too, so nothing runs beside them.
unit: $(VENV)/dev.stamp
	$(BIN)/pytest --numprocesses 3 --dist loadfile --ignore tests/faults/test_short.py
	$(BIN)/pytest tests/faults/test_short.py

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench $(BENCH)

walks: $(VENV)/dev.stamp
	$(BIN)/python -m tests.meaning.walks

faults: $(VENV)/dev.stamp
	$(BIN)/python -m tests.faults --long $(FAULTS)

model: $(VENV)/dev.stamp
	LANNA_MODEL=$(or $(MODEL),2000) $(BIN)/pytest tests/model

fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m tests.fuzz $(FUZZ)

flood: $(VENV)/dev.stamp
	LANNA_LONG=1 $(BIN)/pytest -o faulthandler_timeout=0 tests/lora/test_flood.py tests/lora/test_kills.py

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Lanna Gateway needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Install it with: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# PIP_CONSTRAINT also pins what the isolated build uses.
$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp
