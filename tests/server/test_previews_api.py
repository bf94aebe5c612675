"""Seeing a picture come along, and drawings that never run."""

from __future__ import annotations

import errno
import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live_server import Api, serving
from PIL import Image
from scripted_chat import write_script
from waiting_painter import add_waiting_painter

from memory.previews import Previews

DRAW = {"when": "Draw", "calls": [{"tool": "generate_image", "prompt": "a kite"}], "answer": "There."}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32"><script>alert(1)</script></svg>'


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    write_script(tmp_path, [DRAW])
    add_waiting_painter(tmp_path, svg=SVG)
    rest = (tmp_path / "catalog.toml").read_text("utf-8")
    monkeypatch.setattr("live_server.write_script", lambda home, rules: (home / "catalog.toml").write_text(rest))
    with serving(tmp_path, [DRAW]) as address:
        api = Api(address)
        yield api
        (tmp_path / "let-on").touch()
        api.http.close()


def drawing(api: Api) -> tuple[str, str, int]:
    """A run that draws: its id, the call's, and how many previews there are by now."""
    run_id = api.start("Draw a kite")
    for _ in range(500):
        page = api.http.get(f"/api/runs/{run_id}/events", params={"poll": True}).json()
        shown = [event for event in page["events"] if event["type"] == "tool.progress" and event["preview"]]
        if shown:
            return run_id, shown[0]["call_id"], shown[0]["preview"]
        time.sleep(0.02)
    raise AssertionError("no preview was announced")


def test_a_preview_is_there_while_the_call_works_and_gone_after(api: Api, tmp_path: Path) -> None:
    run_id, call_id, count = drawing(api)
    assert count == 1
    answer = api.http.get(f"/api/runs/{run_id}/previews/{call_id}").raise_for_status()
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (320, 160)
    assert len(answer.content) < 20_000
    (tmp_path / "let-on").touch()
    api.stream(run_id)
    gone = api.http.get(f"/api/runs/{run_id}/previews/{call_id}")
    assert gone.status_code == 404
    assert gone.json()["detail"] == "There is no preview, or none any more."
    assert not list((tmp_path / "cache" / "previews").iterdir())


def test_a_stopped_run_leaves_no_preview(api: Api, tmp_path: Path) -> None:
    run_id, call_id, _ = drawing(api)
    api.http.post(f"/api/runs/{run_id}/cancel").raise_for_status()
    api.stream(run_id)
    assert api.http.get(f"/api/runs/{run_id}/previews/{call_id}").status_code == 404
    assert not list((tmp_path / "cache" / "previews").iterdir())


def test_a_preview_is_only_had_under_its_own_run(api: Api) -> None:
    run_id, call_id, _ = drawing(api)
    assert api.http.get(f"/api/runs/no-such-run/previews/{call_id}").status_code == 404
    assert api.http.get(f"/api/runs/{run_id}/previews/cli").status_code == 404
    assert api.http.get(f"/api/runs/{run_id}/previews/..%2F..%2Fsensorium.db").status_code == 404


def test_a_drawing_is_kept_as_a_file_that_never_runs(api: Api, tmp_path: Path) -> None:
    (tmp_path / "let-on").touch()
    events = api.run_to_end("Draw a kite")
    made = {event["artifact"]["name"]: event["artifact"] for event in events if event["type"] == "tool.artifact"}
    (result,) = [event["result"] for event in events if event["type"] == "tool.finished"]
    drawn = made["picture.svg"]
    assert (drawn["kind"], drawn["mime"]) == ("text", "image/svg+xml")
    assert result["svg"] == drawn["id"]
    answer = api.http.get(f"/api/artifacts/{drawn['id']}/content").raise_for_status()
    assert answer.text == SVG
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert api.http.get(f"/api/artifacts/{drawn['id']}/thumbnail").status_code == 422


def test_an_uploaded_drawing_is_text(api: Api) -> None:
    assert api.upload("evil.svg", SVG.encode(), "image/svg+xml")["mime"] == "text/plain"


def test_a_client_that_goes_away_stops_its_call_and_is_no_error_of_the_server(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    errors = logging.getLogger("uvicorn.error")
    errors.addHandler(caplog.handler)
    try:
        with pytest.raises(httpx.ReadTimeout):
            api.http.post("/api/tools/generate_image", json={"prompt": "a kite"}, timeout=2)
        for _ in range(500):
            (painter,) = api.http.get("/api/models/loaded").json()["models"]
            if not painter["users"]:
                break
            time.sleep(0.02)
    finally:
        errors.removeHandler(caplog.handler)
    assert painter["state"] == "idle"
    assert "Exception" not in caplog.text


def test_a_preview_that_can_not_be_written_spoils_no_picture(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def full(self: Previews, call_id: str, image: Image.Image) -> None:
        tried.append(call_id)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Previews, "put", full)
    (tmp_path / "let-on").touch()
    answer = api.http.post("/api/tools/generate_image", json={"prompt": "a kite"})
    assert answer.raise_for_status().json()["result"]["width"] == 64
    assert len(tried) == 1
