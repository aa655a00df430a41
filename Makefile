# The everyday commands. Everything is installed into .venv; nothing needs root, an account or a download of weights.
#
#   make demo                       set up, then the default config: Fashion-MNIST, on two cores (CORES=8 for more)
#   make test                       set up, lint, and run the tests that need neither root nor SLURM (half an hour)
#   make test SURVIVE=1             and those that do: faults in every stage, and a SLURM on this machine (as root, with
#                                   Debian's slurm-wlm and munge); with FAULTS=1 each stage meets one fault, not five
#   make survive                    those alone, and the most exhaustive ones
#   make real-weights               a real ImageNet classifier, from a package that is installed for it (19 MB), as a teacher
#   make container                  the image of envs/Containerfile, built and run (as root, with Debian's buildah and
#                                   mmdebstrap; 15 GB on the disk, given back)
#   make status CONFIG=<file>       how far a run of this config is, and what failed; also while it goes on
#   make plan CONFIG=<file>         what is finished, took long and the next run would replace, and why
#   make bench                      speed beside plain alternatives, as a table and results/bench.csv; three minutes
#                                   (FULL=1 for the sizes of real runs); python -m bench.scaling for growth
#   make gpu-check                  the acceptance run on one GPU (not yet timed); python -m tests.gpu.accept for parts
#   make parity FIXTURES=<folder>   the parity tests on another folder of reference numbers
#   make staleness                  docs/staleness.md again, after a change of config classes, rules or imports
#   make env TORCH_BACKEND=cpu      set up with another build of PyTorch than CUDA 13's: cpu is small, cu126 runs on drivers
#                                   below 580 and on GPUs older than Turing; any of uv's --torch-backend, see docs/running.md

PYTHON ?= python3
VENV ?= .venv
CORES ?= 2
FIXTURES ?= tests/fixtures/parity
TORCH_BACKEND ?=
CONFIG ?=
FULL ?=
SURVIVE ?=
FAULTS ?=

# Files of tests run side by side, the long ones first. Whoever runs the cluster's waits for it most of the time, and a
# third worker has its core meanwhile.
WORKERS ?= $(if $(SURVIVE),3,2)
TOGETHER := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Neither make nor Snakemake's jobs take a path as it is that a shell would not.
PLAIN := $(shell printf '%s' "$$PWD" | LC_ALL=C grep -q '[][[:space:]"$$`(){}*?<>|;&!\#~'"'"']' || echo yes)
ifeq ($(PLAIN),)
$(error This folder's path has a space, a quote, a bracket or another character that a shell takes for itself; \
  move the clone to a path of letters, digits and . _ - only, or make the environment elsewhere and run snakemake itself)
endif

BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONPATH := $(CURDIR)/workflow
unexport PYTHONDONTWRITEBYTECODE # our own modules, too, are imported by every job

.PHONY: env demo report status plan test survive real-weights container lint parity gpu-check bench staleness schema lock clean clean-results

env: $(VENV)/.ready

# uv, because it takes torch and torchvision from one place: pip may pair a local CPU torch with a CUDA torchvision.
# The pins of CUDA packages are those of the default build; any other build brings its own, or none. Compiled once, because
# every job is a process of its own: importing what a sampling job needs takes twice as long from source.
$(VENV)/.ready: envs/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
ifneq ($(TORCH_BACKEND),)
	grep -vE '^(nvidia-|cuda-|triton)' envs/requirements.txt > $(VENV)/requirements-unpinned-cuda.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --torch-backend $(TORCH_BACKEND) \
		-r $(VENV)/requirements-unpinned-cuda.txt
else
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r envs/requirements.txt
endif
	touch $@

# It shows its progress and ends with the short table, where the pictures are, and the next command (rules/start.smk).
demo: env
	@snakemake --cores $(CORES)

# Our own page; `snakemake --report FILE` makes Snakemake's, with the graph of rules and every job's time.
report: env
	snakemake --cores $(CORES) report_page
	@echo "results/report.html"

status: env
	@python workflow/status.py $(if $(CONFIG),--configfile "$(CONFIG)")

plan: env
	@python workflow/status.py --replaced $(if $(CONFIG),--configfile "$(CONFIG)")

test: env lint
	pytest $(TOGETHER) $(if $(SURVIVE),--durations 40 -m "not exhaustive and not real_weights and not container") $(if $(FAULTS),--faults $(FAULTS))

survive: env
	pytest $(TOGETHER) -m "survive or exhaustive" $(if $(FAULTS),--faults $(FAULTS))

real-weights: env
	pytest tests/end_to_end/test_real_weights.py -m real_weights

container: env
	pytest tests/end_to_end/test_container.py -m container

lint: env
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	python -m tests.lint_rules
	python -m retort.config.export_schema --check workflow/schemas/config.schema.json

parity: env
	pytest tests/parity --parity-fixtures "$(FIXTURES)"

gpu-check: env
	python -m tests.gpu.accept

bench: env
	python -m bench $(if $(FULL),--full)

staleness: env
	python -m tests.staleness

schema: env
	python -m retort.config.export_schema workflow/schemas/config.schema.json

lock: env
	uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
		envs/requirements.in -o envs/requirements.txt
	sed -i '/^      - /d' envs/retort.yaml
	sed 's/^/      - /' envs/requirements.txt >> envs/retort.yaml

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

clean-results:
	find results -mindepth 1 ! -name README.md -delete
	rm -rf .snakemake
