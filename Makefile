# Everything a fresh machine needs is Python (>= 3.11) and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
N      ?= 10000
SEED   ?= 1
FUZZ_SECONDS ?= 60
JOBS   ?= auto
NIGHT  ?= benchmarks/results
RESULTS ?= benchmarks/results/bench
NIGHTS := steady later-night unknown-cap moving-cap shut-out throttled outage lost-answers

.PHONY: demo test postgres faults crash check lint types format constraints night night-full bench bench-quick bench-peers clean help

help:            ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY)   ## set up, then run the main job against the embedded emulator
	$(BIN)/asyncexport demo

test: $(READY)   ## set up, then run every test with branch coverage, in JOBS processes (what a machine lacks is named)
	$(BIN)/pytest -n $(JOBS) --dist worksteal --cov --cov-report=term

postgres:        ## install the server that the tests of PostgreSQL start for themselves (Debian, as root)
	apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql

faults: $(READY) ## run N fault schedules beginning at SEED; a failing one says how to replay it
	$(BIN)/python -m tests.faults.schedules --count $(N) --seed $(SEED)

crash: $(READY)  ## kill the command at every system call that changes files, and fail each (needs strace)
	CI=true CRASH_STRIDE=1 KILLS=40 $(BIN)/pytest -q tests/faults/test_crash_points.py tests/faults/test_failing_calls.py \
	    tests/faults/test_random_kills.py tests/faults/test_power_loss.py

mutants: $(READY) ## take each guard away: a test must fail (takes minutes)
	$(BIN)/python -m tests.faults.mutants

sweeps: $(READY) ## feed the decoder what is too large for every run, and measure its memory
	$(BIN)/python -m tests.faults.sweeps

fuzz: $(READY)   ## search for input that the decoder judges unlike gzip and json, for FUZZ_SECONDS
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps atheris==3.0.0
	$(BIN)/python -m tests.faults.fuzz -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096

check: lint types  ## lint and types

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

format: $(READY) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints:     ## pin all dependencies anew (needs uv)
	uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	    --group dev pyproject.toml -o constraints.txt

night: $(READY)  ## simulate small nights at the cap: steady, remembered, and with trouble (a minute or two)
	$(BIN)/python -m benchmarks.night --profiles 300 $(foreach name,$(NIGHTS),--scenario $(name))

night-full: $(READY) ## simulate large nights and lay our policy beside others, into NIGHT (an hour)
	$(BIN)/python -m benchmarks.night --profiles 10000 --out $(NIGHT)/large
	$(BIN)/python -m benchmarks.night --seeds 20 $(foreach name,$(NIGHTS),--scenario $(name)) --out $(NIGHT)/scenarios
	$(BIN)/python -m benchmarks.night --seeds 5 --frontier --out $(NIGHT)

bench-quick: $(READY) ## measure every part on little data, into RESULTS (two minutes)
	$(BIN)/python -m benchmarks --quick --out $(RESULTS)

bench: $(READY)  ## measure everything, the decoder too, beside whatever peers are there, into RESULTS (an hour)
	$(BIN)/python -m benchmarks --out $(RESULTS)
	$(BIN)/python -m benchmarks.decode | tee $(RESULTS)/decode.md

bench-peers: $(READY) ## make an environment for each peer below .bench, where its Python is there
	$(BIN)/python -m benchmarks.environments

clean:           ## remove what the commands above leave behind
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov demo-exports dist build
