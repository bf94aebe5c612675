"""Coqui's engines. What needs its library runs in a process of its own (`coqui_cases.py`): torchaudio, which the
library wants, lies aside, for where it can be imported, transformers does other things.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from engines.audio.openvoice import quiet_pieces
from engines.catalog import Catalog
from engines.errors import MissingExtraError
from engines.loading import LoadContext, engine_class, missing_packages

ASIDE = Path(sys.prefix) / "aside" / "coqui"
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1800)  # two dozen tests in one
@pytest.mark.skipif(find_spec("TTS") is None, reason="the extra `coqui` is not installed")
def test_the_library_end_to_end() -> None:
    if find_spec("torchaudio") is None and not (ASIDE / "torchaudio").is_dir():
        pytest.skip("torchaudio is not there: python deploy/test_extras.py")
    path = os.pathsep.join([str(ASIDE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engines/coqui_cases.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.skipif(find_spec("TTS") is None, reason="the extra `coqui` is not installed")
@pytest.mark.skipif(find_spec("torchaudio") is not None, reason="torchaudio is installed")
@pytest.mark.parametrize("model", ["xtts-v2", "xtts-v2-voices", "openvoice-v2", "vits-fa"])
def test_without_torchaudio_the_message_says_what_to_install(model: str, tmp_path: Path) -> None:
    entry = Catalog.load().get(model)
    assert "torchaudio" in missing_packages(entry)
    for name in ("config.json", "model.pth", "vocab.json", "converter/config.json", "converter/checkpoint.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    build = engine_class(entry)
    with pytest.raises(
        MissingExtraError, match=rf"{model}: Coqui's library can't be loaded.*pip install 'sensorium\[coqui\]'"
    ):
        build(LoadContext(entry, tmp_path))  # type: ignore[call-arg]  # engines are built like this


def test_licences_that_forbid_trade_are_named() -> None:
    catalog = Catalog.load()
    for model in ("xtts-v2", "xtts-v2-voices"):
        assert "not for commercial use" in catalog.get(model).licence_note


class TestPieces:
    def test_they_make_up_the_whole(self) -> None:
        sound = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
        pieces = list(quiet_pieces(sound, 1000))
        assert np.array_equal(np.concatenate(pieces), sound)
        assert all(1000 <= len(piece) <= 4000 for piece in pieces)

    def test_they_end_where_it_is_quiet(self) -> None:
        sound = np.ones(6000, np.float32)
        sound[3500:3600] = 0
        first, second = quiet_pieces(sound, 1000)
        assert 3500 < len(first) <= 3600
        assert len(first) + len(second) == 6000

    @pytest.mark.parametrize("length", [1, 4000, 4001, 4500])
    def test_short_ones(self, length: int) -> None:
        pieces = list(quiet_pieces(np.ones(length, np.float32), 1000))
        assert sum(map(len, pieces)) == length
        assert len(pieces) == 1 or len(pieces[-1]) >= 1000
