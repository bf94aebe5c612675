"""Devices are named in each library's own words."""

from __future__ import annotations

from typing import Any

import pytest

from engines.devices import for_ctranslate2


@pytest.mark.parametrize(
    ("device", "gpus", "said"),
    [
        ("cpu", 2, {"device": "cpu"}),
        ("mps", 2, {"device": "cpu"}),
        ("cuda", 0, {"device": "cpu"}),  # PyTorch finds one, CTranslate2 was built without
        ("cuda", 2, {"device": "cuda", "device_index": 0}),
        ("cuda:1", 2, {"device": "cuda", "device_index": 1}),
    ],
)
def test_ctranslate2_gets_kind_and_number(
    device: str, gpus: int, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("ctranslate2", reason="the extra `speech` is not installed")
    monkeypatch.setattr(library, "get_cuda_device_count", lambda: gpus)
    assert for_ctranslate2(device) == said
