# Two commands matter: `make run` and `make test`. Both do all the set-up on a fresh machine.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UVPIP  := $(BIN)/uv pip compile pyproject.toml --extra ui --extra speech --universal --python-version 3.11 \
          --generate-hashes --no-annotate --no-header --quiet --no-emit-index-url --no-emit-find-links

lock:  ## pin every dependency by hash; the files carry no addresses
	$(UVPIP) --output-file requirements.lock
	$(UVPIP) --group dev --constraint requirements.lock --output-file requirements-dev.lock
