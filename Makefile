# make demo: train, measure and report on the embedded data. make test: all tests. Both set up .venv on the first call.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint install

demo: install
	$(VENV)/bin/python run.py experiment=quickstart

# A file's tests share what they prepare, so that each runs on one worker; three of them, as some tests wait for other programs.
test: install lint
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

install: $(INSTALLED)

# The stamp is newer than what it was made from, so that a second call installs nothing.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(INSTALLED)
