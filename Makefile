# Needs Python >= 3.10, git and make; everything else goes into one virtual environment.
#   make setup VENV=path                 use (or make) another environment; a torch + torchvision that work are kept
#   make setup PYTHON=python3.12         choose the interpreter
#   make setup SYSTEM_SITE_PACKAGES=1    keep a torch + torchvision pair that the interpreter already has
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.refsam-zoo
TYPING = build/typing/refsam_zoo
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$name && break; done)

# the environment of `make test-lowest`, with the oldest Python that setup.cfg allows where there is one, pyenv's too
LOWEST ?= .venv-lowest
LOWEST_PYTHON ?= $(shell PYENV_VERSION=3.10 python3.10 -c 'import sys; print(sys.executable)' 2>/dev/null || echo $(PYTHON))
# touches every dependency once
LOWEST_TESTS = tests/private_parts tests/model/tuners tests/model/image_encoders/test_timm.py \
	tests/model/text_encoders/test_hugging_face.py tests/model/text_encoders/test_clip.py tests/systems/test_clipseg.py \
	tests/weights/test_hub_folders.py tests/video/test_readers.py tests/inference/test_overlay_video.py \
	tests/data_modules/test_a2d_sentences.py tests/data_modules/test_refcoco.py tests/data_modules/test_shards.py \
	tests/clips/test_augmentation.py tests/evaluation/test_png.py tests/evaluation/test_report.py \
	tests/evaluation/protocols tests/serving/test_[!p]*.py tests/test_cli.py::TestRun::test_everything_is_on_disk \
	tests/test_cli.py::TestRun::test_segment_needs_no_configuration tests/training/test_loggers.py

# processes of one thread each, a file of tests to one of them, and one more than the smallest machine has cores, as many
# wait for programs that they start; `make test PYTEST_FLAGS=` runs all in one
PYTEST_FLAGS ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage test-lowest lint typing bench docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv and install everything into it
	@echo "The environment is $(VENV); refsam-zoo is $(BIN)/refsam-zoo."

$(STAMP): setup.cfg pyproject.toml scripts/setup_environment.py
	$(if $(PYTHON),,$(error no Python >= 3.10 found; install one or name it: make PYTHON=/path/to/python3))
	$(PYTHON) scripts/setup_environment.py $(VENV) $(if $(SYSTEM_SITE_PACKAGES),--system-site-packages)
	@touch $@

demo: setup ## Generate RefShapes, train and test the demo model, draw the results into runs/demo
	@if [ -e runs/demo ]; then earlier=runs/demo-$$(date +%Y%m%d-%H%M%S); mv runs/demo $$earlier; \
		echo "The earlier demo is now $$earlier."; fi
	$(BIN)/refsam-zoo fit --config configs/demo.yaml
	$(BIN)/refsam-zoo test --config configs/demo.yaml --ckpt_path runs/demo/checkpoints/last.ckpt
	$(call overlay,test_00001,"the blue star" "the red cross" "the big blue square" "the cyan circle")
	$(call overlay,test_00003,"the green triangle" "the purple star" "the big green star")
	$(call overlay,test_00008,"the big white star" "the small blue star" "the big purple circle" "the small purple star")
	@cat runs/demo/evaluation/summary.md
	@echo
	@echo "Tables and pictures: runs/demo/evaluation/  overlay videos: runs/demo/overlays/*/overlay.mp4"

# one video of the test split and sentences about it
overlay = $(BIN)/refsam-zoo segment data/ref_shapes/test/Videos/$(1).mp4 $(2) \
	--checkpoint runs/demo/checkpoints/last.ckpt --output runs/demo/overlays/$(1)

# compiled modules are kept in any case: the tests start many processes
test: setup ## Run the tests
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_FLAGS)

coverage: setup ## Run the tests and print their coverage, which takes longer
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --cov=refsam_zoo --cov-report=term:skip-covered $(PYTEST_FLAGS)

test-lowest: $(LOWEST)/.refsam-zoo ## Run some tests with the lowest versions that setup.cfg allows, in .venv-lowest
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest $(PYTEST_FLAGS) $(LOWEST_TESTS)

$(LOWEST)/.refsam-zoo: setup.cfg pyproject.toml scripts/setup_environment.py
	$(LOWEST_PYTHON) scripts/setup_environment.py $(LOWEST) --lowest
	@touch $@

lint: setup typing ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typing: setup ## Check types, with data_modules/ where its import name says
	@rm -rf $(TYPING) && mkdir -p $(TYPING)
	@ln -s $(CURDIR)/src/refsam_zoo/* $(CURDIR)/data_modules $(TYPING)
	MYPYPATH=build/typing $(BIN)/mypy -p refsam_zoo

bench: setup ## Measure the claims of the README at a small size
	$(BIN)/python benchmarks/run_all.py

docs: setup ## Write the reference of the public interface into build/docs
	$(BIN)/python scripts/write_docs.py build/docs

clean: ## Remove what builds and checks left; keeps .venv, data/ and runs/
	rm -rf build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
	find src data_modules tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +
