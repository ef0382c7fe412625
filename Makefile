# make demo: the main job.  make test: every test.  make live: the whole suite on real Docker engines of its own (root).
# make fuzz: does anything that is read break what reads it?  FUZZ_SECONDS=600 make fuzz tries longer.
# make faults: does the suite find every wrong build?  make soak: does it ever accuse the right one, in 1,000 runs?
# All set up what they need, beside the code and nowhere else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    := out
FUZZ_SECONDS ?= 60

.PHONY: demo test fuzz faults soak mutants live live-docs lint docs benchmark benchmark-docs clean

demo: $(VENV)/.ready
	@$(BIN)/kubephase demo --recordings tests/data/recordings/v0.17.0 --out $(OUT)

test: lint
	@$(BIN)/python -m pytest -n auto

fuzz: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris -c constraints.txt -e '.[fuzz]' 2>/dev/null || true
	@$(BIN)/python tools/fuzz.py --seconds $(FUZZ_SECONDS)

faults: $(VENV)/.ready
	@$(BIN)/kubephase faults

soak: $(VENV)/.ready
	@$(BIN)/kubephase soak

live: $(VENV)/.ready
	@sh tools/live.sh $(BIN) $(OUT)/live --check

# docs/live.md, from a run on real engines.
live-docs: $(VENV)/.ready
	@sh tools/live.sh $(BIN) $(OUT)/live

lint: $(VENV)/.ready
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

# The reference, the pictures and the list of unchecked rules in docs/, and the output that the README shows.
docs: $(VENV)/.ready
	@$(BIN)/kubephase draw --out docs --reference
	@$(BIN)/python tools/readme.py

# Every row of every table removed, redirected and added: what notices it; and what shows the rule of each scenario.
mutants: $(VENV)/.ready
	@$(BIN)/python tools/mutants.py

# Figures, in some fifteen minutes; a look at them: make benchmark BENCHMARK=--quick. Needs SPIN and gcc.
benchmark: $(VENV)/.benchmark
	@$(BIN)/python benchmarks/run.py $(BENCHMARK)

# The same, kept as benchmarks/results.md, which the README quotes.
benchmark-docs: $(VENV)/.benchmark
	@$(BIN)/python benchmarks/run.py $(BENCHMARK) >$(VENV)/results.md
	@mv $(VENV)/results.md benchmarks/results.md
	@$(BIN)/python tools/readme.py

clean:
	rm -rf $(VENV) $(OUT) .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.benchmark: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmark]'
	@touch $@

$(VENV)/.ready: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON="$(PYTHON)" sh tools/setup.sh $(VENV)
	@touch $@
