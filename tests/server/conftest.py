"""Every test here talks to a real server over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import ENDLESS, HELLO, PEOPLE, SLOW, Api, serving


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_MAX_UPLOAD_MB", "2")
    with serving(tmp_path, [HELLO, PEOPLE, SLOW, ENDLESS]) as address:
        api = Api(address)
        yield api
        api.http.close()
