"""Every tool can be called over HTTP, with the schema that the planner and the command line use."""

from __future__ import annotations

import io
import json
import wave

import pytest
from live_server import Api

from tools.offered import offered_tools


def silence(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(int(seconds * 32_000)))
    return buffer.getvalue()


def test_every_tool_is_listed_and_has_a_route_of_its_own_with_its_own_schema(api: Api) -> None:
    listed = {tool["name"]: tool for tool in api.http.get("/api/tools").json()["tools"]}
    described = api.http.get("/openapi.json").json()
    assert list(listed) == [spec.name for spec in offered_tools()]
    for spec in offered_tools():
        assert listed[spec.name]["parameters"] == spec.parameters_schema()
        body = described["paths"][f"/api/tools/{spec.name}"]["post"]["requestBody"]["content"]["application/json"]
        name = body["schema"]["$ref"].rpartition("/")[2]
        assert set(described["components"]["schemas"][name]["properties"]) == set(spec.parameters.model_fields)


def test_a_call_gives_the_typed_result_the_media_and_the_receipts(api: Api) -> None:
    image = api.upload("astronaut.jpg")["id"]
    answer = api.http.post("/api/tools/detect_objects", json={"image": image, "target": "person"})
    called = answer.raise_for_status().json()
    assert called["result"]["counts"] == {"person": 1}
    assert called["summary"] == "Found in the picture: 1 person."
    (receipt,) = called["receipts"]
    assert (receipt["model"], receipt["device"]) == ("nanodet-416", "cpu")
    (drawn,) = called["artifacts"]
    assert api.http.get(f"/api/artifacts/{drawn['id']}/content").headers["content-type"] == "image/png"
    (call,) = api.http.get(f"/api/artifacts/{drawn['id']}/lineage").json()["calls"]
    assert (call["tool"], call["args"]) == ("detect_objects", {"image": image, "target": "person"})


def test_a_call_can_be_followed(api: Api) -> None:
    events = []
    with api.http.stream(
        "POST", "/api/tools/analyze_sentiment", json={"text": "Lovely!"}, headers={"Accept": "text/event-stream"}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert events[0]["type"] == "tool.started"
    assert events[-1]["type"] == "tool.finished"
    assert events[-1]["result"]["sentiment"] == "positive"
    assert [event["seq"] for event in events] == list(range(len(events)))


def test_a_failure_is_an_event_of_a_followed_call(api: Api) -> None:
    with api.http.stream(
        "POST", "/api/tools/detect_objects", json={"image": "no-such"}, headers={"Accept": "text/event-stream"}
    ) as response:
        events = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert events[-1]["type"] == "tool.failed"
    assert events[-1]["code"] == "not-found"


@pytest.mark.parametrize(
    ("tool", "args", "status", "code"),
    [
        ("detect_objects", {"image": "no-such"}, 404, "not-found"),
        ("detect_objects", {}, 422, "invalid-request"),
        ("detect_objects", {"image": "x", "colour": "red"}, 422, "invalid-request"),
        ("analyze_sentiment", {"text": ""}, 422, "invalid-request"),
        ("analyze_sentiment", {"text": 7}, 422, "invalid-request"),
        ("translate", {"text": "Hello", "target_language": "Klingon"}, 422, "invalid-input"),
        ("no_such_tool", {}, 404, "no-such-route"),
    ],
)
def test_what_does_not_fit_is_a_problem(api: Api, tool: str, args: dict[str, object], status: int, code: str) -> None:
    answer = api.http.post(f"/api/tools/{tool}", json=args)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_media_of_the_wrong_kind_are_refused(api: Api) -> None:
    sound = api.upload("silence.wav", silence(1))["id"]
    answer = api.http.post("/api/tools/detect_objects", json={"image": sound})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "silence.wav holds sound, not a picture."
