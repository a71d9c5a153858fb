# make matrix   run every technique over every workload; print the comparison, draw it, write the report
# make test     every check of the project, through tox
# make soak     the long forms of the random tests: no case begins after an hour, or MINUTES=...; MINUTES= for all of them
# make docs     the documentation as a site, in build/docs
# make bench    host speed of the model, against the bare engine

PYTHON ?= python3
VENV   ?= .venv
MINUTES ?= 60
JOBS   ?= $(shell nproc)
BIN    := $(VENV)/bin

.PHONY: matrix test soak docs bench clean

matrix: $(BIN)/.trapbench
	$(BIN)/trapbench run --jobs $(JOBS); status=$$?; $(BIN)/trapbench show && \
	{ $(BIN)/trapbench plot & } && $(BIN)/trapbench report && wait $$! && exit $$status

test: $(BIN)/.tox
	$(BIN)/tox run -e checks

soak: $(BIN)/.bench
	SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests -m soak -n auto

docs: $(BIN)/.docs
	$(BIN)/sphinx-build -q -W -b html docs build/docs
	@echo "open build/docs/index.html"

bench: $(BIN)/.bench
	$(BIN)/python -m pytest benchmarks -s -q --benchmark-only --benchmark-columns=min --benchmark-sort=fullname --override-ini addopts=

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/.trapbench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(BIN)/.tox: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet tox
	touch $@

$(BIN)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(BIN)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .tox build dist *.egg-info
