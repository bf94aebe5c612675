"""Who may drive the server: this machine and its own pages."""

from __future__ import annotations

import httpx
import pytest
from live_server import Api
from starlette.types import Receive, Scope, Send

from agent.cli.serve import check_loopback, listen
from engines.errors import InputError
from server.local_only import LocalOnly


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "[::2]", "a b"])
def test_a_name_that_is_not_this_machines_is_refused(api: Api, host: str) -> None:
    answer = api.http.get("/api/health", headers={"Host": host})
    assert answer.status_code in {400, 403}  # the HTTP parser refuses some before we see them
    assert answer.status_code == 400 or answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:8321", "[::1]:8321", "LOCALHOST"])
def test_every_name_of_this_machine_is_served(api: Api, host: str) -> None:
    assert api.http.get("/api/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://", "x"])
def test_a_page_from_elsewhere_can_not_drive_the_server(api: Api, origin: str) -> None:
    before = api.http.get("/api/threads").json()
    for method, path in (("POST", "/api/threads"), ("GET", "/api/threads"), ("OPTIONS", "/api/threads")):
        answer = api.http.request(method, path, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
        assert "access-control-allow-origin" not in answer.headers
    assert api.http.get("/api/threads").json() == before


@pytest.mark.parametrize("origin", ["http://localhost:8501", "http://127.0.0.1:8501", "http://[::1]:8501"])
def test_a_page_of_this_machine_may(api: Api, origin: str) -> None:
    assert api.http.post("/api/threads", headers={"Origin": origin}).status_code == 201


def test_media_can_not_be_embedded_elsewhere_but_be_opened_from_a_link(api: Api) -> None:
    url = f"/api/artifacts/{api.upload('chelsea.jpg')['id']}/content"
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert api.http.get(url, headers=embedded).status_code == 403
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert api.http.get(url, headers=opened).status_code == 200


async def test_a_peer_that_is_not_on_loopback_is_refused_whatever_the_bind() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("must not be reached")

    transport = httpx.ASGITransport(LocalOnly(app), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", ""])
def test_listening_elsewhere_than_on_loopback_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="loopback only"):
        check_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_is_fine(host: str) -> None:
    check_loopback(host)


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with listen("127.0.0.1", 0, setting="port") as taken:
        number = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"Port {number} can't be used.*--ui-port or SENSORIUM_UI_PORT"):
            listen("127.0.0.1", number, setting="ui_port")
