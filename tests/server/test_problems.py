"""Every error is a problem: application/problem+json with what was wrong and what to do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import httpx
import pytest
from live_server import Api

from agent.app import App
from engines.errors import MissingWeightsError
from server.app import create_app

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/threads/nope", 404, "not-found"),
        ("GET", "/api/nothing", 404, "no-such-route"),
        ("PUT", "/api/threads", 405, "method-not-allowed"),
        ("GET", "/api/threads?limit=0", 422, "invalid-request"),
        ("POST", "/api/threads/x/runs", 422, "invalid-request"),
    ],
)
def test_an_error_is_a_problem(api: Api, method: str, path: str, status: int, code: str) -> None:
    answer = api.http.request(method, path)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:sensorium:problem:{code}")
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == path.partition("?")[0]


def test_a_request_that_does_not_fit_names_each_field(api: Api) -> None:
    body = {"message": 7, "attachments": "no list"}
    answer = api.http.post(f"/api/threads/{api.thread()}/runs", json=body).json()
    assert [error["field"] for error in answer["errors"]] == ["message", "attachments"]
    assert answer["detail"].startswith("The request does not fit: message: ")


def test_json_that_is_none_is_a_problem_too(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.http.post(f"/api/threads/{api.thread()}/runs", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def _asked(error: Exception) -> httpx.Response:
    """The answer of a server whose insides raise ``error``."""

    class Broken:
        async def threads(self, *args: Any) -> Any:
            raise error

    @asynccontextmanager
    async def opened() -> AsyncIterator[App]:
        yield cast("App", SimpleNamespace(chats=Broken(), pick_up=AsyncMock()))

    server = create_app(opened)
    transport = httpx.ASGITransport(server, raise_app_exceptions=False)
    async with (
        server.router.lifespan_context(server),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        return await client.get("/api/threads")


async def test_what_the_project_raises_says_what_to_do() -> None:
    answer = await _asked(MissingWeightsError("whisper-base is not on this disk.", fix="Run: sensorium models pull"))
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert answer.json()["detail"] == "whisper-base is not on this disk."
    assert answer.json()["fix"] == "Run: sensorium models pull"


async def test_a_surprise_tells_the_client_nothing_of_our_insides(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await _asked(RuntimeError("the secret is 42"))
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_the_description_of_the_api_is_complete(api: Api) -> None:
    described = api.http.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            assert any(code.startswith("2") for code in operation["responses"]), (method, path)
    assert "Problem" in described["components"]["schemas"]


def test_models_and_tools_are_listed(api: Api) -> None:
    models = {model["id"]: model for model in api.http.get("/api/models").json()["models"]}
    assert models["nanodet-416"]["state"] == "ready"
    assert models["nanodet-416"]["fix"] == ""
    assert models["whisper-base"]["state"] == "needs weights"
    assert models["whisper-base"]["fix"].startswith("sensorium models pull whisper-base")
    tools = {tool["name"]: tool for tool in api.http.get("/api/tools").json()["tools"]}
    assert "image" in tools["detect_objects"]["parameters"]["properties"]


def test_voices_are_listed_whether_or_not_their_models_are_there(api: Api) -> None:
    voices = {voice["id"]: voice for voice in api.http.get("/api/voices").json()["voices"]}
    emma = voices["bf_emma"]
    assert (emma["language"], emma["gender"], emma["accent"], emma["model"]) == (
        "en",
        "female",
        "British",
        "kokoro-82m",
    )
    assert emma["state"] != "ready"
    assert emma["fix"]


def test_models_in_memory_are_listed(api: Api) -> None:
    assert api.http.get("/api/models/loaded").json() == {"models": []}
    api.run_to_end("Hello")
    loaded = api.http.get("/api/models/loaded").json()["models"]
    assert ("scripted", "idle") in [(model["model"], model["state"]) for model in loaded]


def test_health(api: Api) -> None:
    health = api.http.get("/api/health").json()
    assert (health["status"], health["max_upload_mb"]) == ("ok", 2)
