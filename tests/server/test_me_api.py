"""The user's choices, usage and feedback over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from live_server import Api


def policies(profile: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["tool"]: (each["policy"], each["chosen_by"]) for each in profile["approval"]}


def test_choices_are_shown_changed_one_by_one_and_taken_back(api: Api) -> None:
    before = api.http.get("/api/me").json()
    assert before["model"] is None
    assert policies(before)["clone_voice"] == ("ask", "default")
    api.http.patch("/api/me", json={"approval": {"clone_voice": "deny"}}).raise_for_status()
    changed = api.http.patch("/api/me", json={"model": "auto", "name": "Ada"}).raise_for_status().json()
    assert (changed["model"], changed["name"]) == ("auto", "Ada")
    assert policies(changed)["clone_voice"] == ("deny", "user")
    back = api.http.patch("/api/me", json={"model": None, "approval": {"clone_voice": None}}).json()
    assert back == {**before, "name": "Ada"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"approval": {"fly": "auto"}}, 422),
        ({"approval": {"speak": "perhaps"}}, 422),
        ({"model": "no-such-model"}, 404),
        ({"model": ""}, 422),
        ({"name": None}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_a_choice_that_can_not_be_made_is_refused(api: Api, body: dict[str, Any], status: int) -> None:
    answer = api.http.patch("/api/me", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_denied_tool_is_refused_to_whoever_calls_it(api: Api) -> None:
    api.http.patch("/api/me", json={"approval": {"analyze_sentiment": "deny"}}).raise_for_status()
    answer = api.http.post("/api/tools/analyze_sentiment", json={"text": "Lovely"})
    assert (answer.status_code, answer.json()["code"]) == (403, "denied")


def test_usage_adds_up_the_runs_of_a_time(api: Api) -> None:
    for _ in range(2):
        api.run_to_end("Hello")
    (total,) = api.http.get("/api/usage").json()["models"]
    assert (total["model"], total["runs"]) == ("scripted", 2)
    assert total["prompt_tokens"] > 0
    assert api.http.get("/api/usage", params={"since": "2999-01-01T00:00:00Z"}).json()["models"] == []
    assert api.http.get("/api/usage", params={"since": "2999-01-01T00:00:00"}).status_code == 422
    for edge in ({"since": "0001-01-01T00:00:00+14:00"}, {"until": "9999-12-31T23:59:59-14:00"}):
        assert api.http.get("/api/usage", params=edge).status_code == 422


def test_feedback_is_given_changed_listed_and_taken_back(api: Api) -> None:
    thread = api.thread()
    first, second = (api.start("Hello", thread=thread) for _ in range(2))
    for run in (first, second):
        api.stream(run)
        given = api.http.put(f"/api/runs/{run}/feedback", json={"rating": "up"}).raise_for_status().json()
        assert (given["run_id"], given["rating"], given["comment"]) == (run, "up", "")
    api.http.put(f"/api/runs/{first}/feedback", json={"rating": "down", "comment": "größe 数"}).raise_for_status()

    def said(**query: Any) -> list[tuple[str, str]]:
        found = api.http.get("/api/feedback", params=query).raise_for_status().json()["feedback"]
        return [(each["run_id"], each["rating"]) for each in found]

    assert said() == [(first, "down"), (second, "up")]
    assert said(thread=thread) == [(first, "down"), (second, "up")]
    assert said(thread=thread, rating="up") == said(rating="up") == [(second, "up")]
    assert len(said(limit=1)) == 1
    assert api.http.delete(f"/api/runs/{first}/feedback").status_code == 204
    assert api.http.delete(f"/api/runs/{first}/feedback").status_code == 404
    assert said() == [(second, "up")]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/api/runs/nope/feedback", {"rating": "up"}, 404),
        ("PUT", "/api/runs/nope/feedback", {"rating": "great"}, 422),
        ("PUT", "/api/runs/nope/feedback", {"rating": "up", "comment": "x" * 4_001}, 422),
        ("GET", "/api/feedback?thread=nope", None, 404),
        ("GET", "/api/feedback?limit=0", None, 422),
    ],
)
def test_feedback_that_can_not_be_given_is_refused(
    api: Api, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = api.http.request(method, path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
