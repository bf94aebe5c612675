# Two commands matter: `make run` and `make test`. Both do all the set-up on a fresh machine with Python 3.11 to 3.13.
PYTHON ?= python3
VENV   ?= .venv
# Test files side by side: more need memory for more copies of the models.
JOBS   ?= 2
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Installing from a lock: exact versions, checked by hash; then compiled to bytecode so that the first start is quick.
INSTALL := $(PIP) install --quiet --no-compile --require-hashes --no-deps --requirement
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
           --no-header --quiet --no-emit-index-url --no-emit-find-links --group build --group mediapipe \
           --extra ui --extra speech --extra vision
# Every other extra, for the tests. PyTorch is not in the lock: which build is right depends on the machine.
EXTRAS  := --extra diffusion --extra transformers --extra yolo --extra coqui --extra elevenlabs --extra online --extra evals \
           --extra postgres --extra s3 --extra encryption
CUDA    := bindings pathfinder toolkit
NVIDIA  := cublas cuda-cccl cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
           cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx
UNPINNED := $(patsubst %,--no-emit-package %,torch triton $(CUDA:%=cuda-%) $(NVIDIA:%=nvidia-%))
TORCH   := torch==2.13.0

.PHONY: help run test check format lock models clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(VENV)/.run  ## install, fetch the embedded models, start the API and the page
	@$(BIN)/sensorium models pull || echo "Some models could not be fetched; what needs them says so. See: sensorium doctor"
	@exec $(BIN)/sensorium up

test: $(VENV)/.dev  ## install, fetch the models, run every test
	@$(BIN)/sensorium models pull && $(BIN)/sensorium models pull qwen2.5-coder-0.5b \
	    || echo "Some models could not be fetched: tests that need them are skipped."
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev  ## lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## write the code as the linter wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

models: $(VENV)/.run  ## fetch the embedded models
	@$(BIN)/sensorium models pull

lock: $(VENV)/bin/python  ## pin every dependency by hash again; the files carry no addresses
	@test -x $(BIN)/uv || $(PIP) install --quiet uv
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) $(EXTRAS) --group dev $(UNPINNED) --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## remove the environment; models and conversations stay
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
	    "Python 3.11 to 3.13 is needed; this is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Creating the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing (a minute or two) ..."
	@$(INSTALL) requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python deploy/slim.py
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements-dev.lock pyproject.toml
	@echo "Installing (a minute or two) ..."
	@$(INSTALL) requirements-dev.lock
	@$(PIP) install --quiet --no-compile $(TORCH)
	@$(BIN)/python deploy/test_extras.py
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python deploy/test_extras.py
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@ $(VENV)/.run
