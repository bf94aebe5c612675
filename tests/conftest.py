"""Fixtures for tests that run the embedded models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.weights import WeightStore


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The models folder: ``SENSORIUM_TEST_MODELS``, or the user's own."""
    given = os.environ.get("SENSORIUM_TEST_MODELS")
    return Path(given) if given else load_settings().models_dir


@pytest.fixture(scope="session")
def weights(models_dir: Path) -> Callable[[str], Path]:
    """``weights(model_id)`` is the folder of a model; the test is skipped when it has not been pulled."""

    def folder(model_id: str) -> Path:
        entry = Catalog.load().get(model_id)
        store = WeightStore(models_dir)
        if not store.is_ready(entry):
            pytest.skip(f"{model_id} has not been pulled: sensorium models pull {model_id}")
        return store.require(entry)

    return folder
