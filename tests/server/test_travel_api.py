"""Time travel over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from live_server import Api


def history(api: Api, thread: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.http.get(f"/api/threads/{thread}/history", params=query).raise_for_status().json()
    return found


def test_history_says_what_was_asked_and_node_by_node_what_stands(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Hello", thread=thread)
    (moment,) = history(api, thread)["runs"]
    assert (moment["message"], moment["status"], moment["tools"], moment["forks"]) == ("Hello", "finished", [], [])
    assert (moment["checkpoint"] is not None, moment["checkpoints"]) == (True, [])
    (moment,) = history(api, thread, all="true")["runs"]
    assert moment["checkpoints"][-1]["id"] == moment["checkpoint"]


def test_a_fork_without_a_text_is_a_conversation_to_go_on_with(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Hello", thread=thread)
    run = api.start("Hello again", thread=thread)
    api.stream(run)
    answer = api.http.post(f"/api/threads/{thread}/fork", json={"run_id": run})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["run_id"], made["events"]) == (None, None)
    shown = api.http.get(f"/api/threads/{made['thread_id']}").json()
    assert [message["text"] for message in shown["messages"]] == ["Hello", "Hello, I am Sensorium."]
    assert shown["forked_at"] == run
    assert [fork["id"] for fork in history(api, thread)["runs"][1]["forks"]] == [made["thread_id"]]


def test_an_edited_message_is_answered_in_the_fork(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("Good-bye", thread=thread)
    message = history(api, thread)["runs"][0]["message_id"]
    made = api.http.post(f"/api/threads/{thread}/fork", json={"message_id": message, "text": "Hello, größe 数"}).json()
    assert urlsplit(made["events"]).path == f"/api/runs/{made['run_id']}/events"
    assert api.stream(made["run_id"])[-1]["data"]["answer"] == "Hello, I am Sensorium."
    assert [moment["message"] for moment in history(api, thread)["runs"]] == ["Good-bye"]


def test_a_replay_is_followed_and_compared(api: Api) -> None:
    run = api.start("Hello")
    api.stream(run)
    answer = api.http.post(f"/api/runs/{run}/replay")
    assert answer.status_code == 202
    started = answer.json()
    api.stream(started["run_id"])
    assert urlsplit(started["compare"]).path == f"/api/runs/{run}/compare/{started['run_id']}"
    found = api.http.get(urlsplit(started["compare"]).path).json()
    assert (found["same"], found["same_answer"], found["steps"]) == (True, True, [])
    assert found["b"]["thread_id"] == started["thread_id"]


def test_what_does_not_fit_is_refused_with_what_to_do(api: Api) -> None:
    thread = api.thread()
    slow = api.start("Go on endlessly", thread=thread)
    waiting = api.start("Hello", thread=thread)
    fork = f"/api/threads/{thread}/fork"
    for method, path, body, status, code in (
        ("GET", "/api/threads/nope/history", None, 404, "not-found"),
        ("POST", "/api/threads/nope/fork", {"run_id": slow}, 404, "not-found"),
        ("POST", fork, {"run_id": "nope"}, 404, "not-found"),
        ("POST", fork, {"message_id": 99}, 404, "not-found"),
        ("POST", fork, {}, 422, "invalid-input"),
        ("POST", fork, {"run_id": slow, "text": " "}, 422, "invalid-input"),
        ("POST", fork, {"run": slow}, 422, "invalid-request"),
        ("POST", fork, {"run_id": waiting}, 409, "conflict"),
        ("POST", f"/api/runs/{slow}/replay", None, 409, "conflict"),
        ("POST", "/api/runs/nope/replay", None, 404, "not-found"),
        ("GET", f"/api/runs/{slow}/compare/nope", None, 404, "not-found"),
    ):
        answer = api.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (path, body)
    for run in (waiting, slow):
        api.http.post(f"/api/runs/{run}/cancel")
    assert len(api.http.get("/api/threads").json()["threads"]) == 1
