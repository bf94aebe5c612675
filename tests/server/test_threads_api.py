"""Conversations over HTTP."""

from __future__ import annotations

from live_server import Api


def test_a_conversation_holds_its_messages_runs_and_media(api: Api) -> None:
    thread = api.thread()
    api.run_to_end("How many people are in this picture?", "astronaut.jpg", thread=thread)
    shown = api.http.get(f"/api/threads/{thread}").json()
    assert shown["title"] == "How many people are in this picture?"
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"]
    assert [run["status"] for run in shown["runs"]] == ["finished"]
    assert shown["artifacts"][0]["name"] == "astronaut.jpg"
    named = {id_ for message in shown["messages"] for id_ in message["artifacts"]}
    assert named == {artifact["id"] for artifact in shown["artifacts"]}


def test_the_conversation_used_last_is_first_in_the_list(api: Api) -> None:
    one, two = api.thread(), api.thread()
    api.run_to_end("Hello", thread=one)
    assert [thread["id"] for thread in api.http.get("/api/threads").json()["threads"]] == [one, two]


def test_the_list_comes_in_pages(api: Api) -> None:
    made = [api.thread() for _ in range(3)]
    first = api.http.get("/api/threads", params={"limit": 2}).json()["threads"]
    rest = api.http.get("/api/threads", params={"limit": 2, "before": first[-1]["id"]}).json()["threads"]
    assert [thread["id"] for thread in first + rest] == made[::-1]


def test_a_program_may_choose_the_name_of_its_conversation(api: Api) -> None:
    assert api.http.post("/api/threads", json={"id": "my-camera"}).json()["id"] == "my-camera"
    again = api.http.post("/api/threads", json={"id": "my-camera"})
    assert (again.status_code, again.json()["code"]) == (422, "invalid-input")
    assert api.http.post("/api/threads", json={"id": "../etc"}).status_code == 422


def test_deleting_a_conversation_stops_what_works_in_it_and_takes_its_media_along(api: Api) -> None:
    thread = api.thread()
    run = api.start("Go on endlessly", "chelsea.jpg", thread=thread)
    artifact = api.http.get(f"/api/threads/{thread}").json()["artifacts"][0]["id"]
    assert api.http.delete(f"/api/threads/{thread}").status_code == 204
    for path in (f"/api/threads/{thread}", f"/api/runs/{run}", f"/api/artifacts/{artifact}"):
        assert api.http.get(path).status_code == 404, path


def test_media_that_another_conversation_uses_stay(api: Api) -> None:
    artifact = api.upload("chelsea.jpg")["id"]
    one, two = api.thread(), api.thread()
    for thread in (one, two):
        body = {"message": "Hello", "attachments": [artifact]}
        api.stream(api.http.post(f"/api/threads/{thread}/runs", json=body).json()["run_id"])
    api.http.delete(f"/api/threads/{one}")
    assert api.http.get(f"/api/artifacts/{artifact}").status_code == 200
    assert api.http.get(f"/api/threads/{two}").json()["artifacts"][0]["id"] == artifact
