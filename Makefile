# People and CI use the same targets. Each makes .venv first, by plain pip.
PYTHON ?= python3
BIN := .venv/bin
# Two processes with two threads each on two cores are far slower than one after the other: one thread a worker.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest
WORKERS ?= 2

.PHONY: setup demo test test-all test-wheel check docs audit fuzz bench gpu-check study synthetic-checkpoint clean

setup: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch .venv/installed

demo: setup
	$(BIN)/clipgap demo --out demo

test: setup
	$(PYTEST) -n $(WORKERS) --dist loadscope

test-all: setup
	$(BIN)/python -m pip install --quiet --editable ".[dev,tensorboard,web,docs]" playwright nbclient ipykernel
	$(PYTEST) -n $(WORKERS) --dist loadscope -m ""

# Into a new environment, with all that it needs, and used from an empty folder: PyTorch's 5 GB are unpacked once more.
test-wheel: setup
	$(BIN)/python -m tests.wheel

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) tests/unit/test_layers.py

# The site of docs/, in site/: a warning is an error. It opens from the disk and needs no network.
docs: setup
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m zensical build --strict --clean
	cp -r examples site/

audit: setup
	$(BIN)/ruff check --select S --ignore S101 src
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --skip-editable

# Five minutes in all. Where atheris has no wheel for this Python, plain mutations take its place, and a line says so.
fuzz: setup
	-$(BIN)/python -m pip install --quiet --only-binary :all: atheris
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seconds 300 --out runs/fuzz

# On a machine with a GPU: a table of all that needs one, to paste.
gpu-check: setup
	$(BIN)/python -m benchmarks.gpu_check

# `make bench ONLY="inference train_step"` for single jobs.
bench: setup
	$(BIN)/python -m benchmarks --out bench.json $(if $(ONLY),--only $(ONLY))
	$(if $(ONLY),,$(BIN)/python -m benchmarks.growth --out growth.json)
	$(if $(ONLY),,$(BIN)/python -m benchmarks.slopes --out slopes.json)

# Resumable: what has a result in runs/study is not done again. All of them take long; make study STUDIES=recipe does one.
STUDIES = mini_world photos recipe recipe_long second photos_imagenet photos_long
study: setup
	for one in $(STUDIES); do $(BIN)/python -m recipes.study $$one || exit; done

synthetic-checkpoint: setup
	$(BIN)/python -m tests.parity.synthetic --out synthetic_authors.pth

clean:
	rm -rf .venv demo site
