"""Runs over HTTP: started, followed from any point, read page by page, stopped."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
from live_server import Api


def test_a_message_is_accepted_at_once_and_answered_by_a_run(api: Api) -> None:
    thread = api.thread()
    answer = api.http.post(f"/api/threads/{thread}/runs", json={"message": "Hello"})
    assert answer.status_code == 202
    started = answer.json()
    assert started["thread_id"] == thread
    assert urlsplit(started["events"]).path == f"/api/runs/{started['run_id']}/events"
    api.stream(started["run_id"])
    run = api.http.get(answer.headers["location"]).json()
    assert (run["status"], run["message"]) == ("finished", "Hello")


def test_events_carry_seq_as_id_and_type_as_name(api: Api) -> None:
    events = api.stream(api.start("Hello"))
    assert [int(event["id"]) for event in events] == list(range(len(events)))
    assert all(event["event"] == event["data"]["type"] for event in events)
    assert all(event["data"]["v"] == 1 for event in events)
    assert [events[0]["event"], events[-1]["event"]] == ["run.started", "run.finished"]


def test_a_finished_run_is_replayed_the_same_for_everybody(api: Api) -> None:
    run = api.start("Hello")
    live = api.stream(run)
    assert api.stream(run) == live


def test_a_stream_is_taken_up_after_the_last_event_seen(api: Api) -> None:
    run = api.start("Count slowly")
    first = api.stream(run, stop_after=5)
    rest = api.stream(run, after=int(first[-1]["id"]))
    assert [int(event["id"]) for event in first + rest] == list(range(len(first) + len(rest)))
    words = "".join(e["data"]["text"] for e in first + rest if e["event"] == "message.delta").split()
    assert words == [f"word{n}" for n in range(40)]


def test_the_cursor_may_stand_in_the_query_and_the_header_wins(api: Api) -> None:
    run = api.start("Hello")
    last = len(api.stream(run)) - 1
    url = f"/api/runs/{run}/events"
    assert f"id: {last - 1}\n" not in api.http.get(url, params={"after": last - 1}).text
    from_header = api.http.get(url, params={"after": -1}, headers={"Last-Event-ID": str(last - 1)}).text
    assert from_header.count("data: ") == 1


def test_nothing_more_to_come_is_told_so_that_a_browser_stops_reconnecting(api: Api) -> None:
    run = api.start("Hello")
    last = int(api.stream(run)[-1]["id"])
    assert api.http.get(f"/api/runs/{run}/events", headers={"Last-Event-ID": str(last)}).status_code == 204
    for after in (last + 100, 10**24):
        assert api.http.get(f"/api/runs/{run}/events", params={"after": after}).status_code == 204
    assert api.http.get(f"/api/runs/{run}/events", headers={"Last-Event-ID": "9" * 30}).status_code == 204


@pytest.mark.parametrize("odd", ["%00", "%ED%A0%80", "a%00b", "x" * 5_000])
def test_what_can_be_no_id_is_not_there(api: Api, odd: str) -> None:
    for path in (f"/api/runs/{odd}", f"/api/threads/{odd}", f"/api/artifacts/{odd}"):
        assert api.http.get(path).status_code == 404, path


@pytest.mark.parametrize("odd", ["\\ud800", "\\u0000"])
def test_an_attachment_that_can_be_none_is_refused(api: Api, odd: str) -> None:
    for body in (f'{{"message": "Hello", "attachments": ["{odd}"]}}', f'{{"message": "Hello", "voice": "{odd}"}}'):
        url = f"/api/threads/{api.thread()}/runs"
        answer = api.http.post(url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 404, answer.text


def test_a_cursor_that_is_no_number_is_refused(api: Api) -> None:
    run = api.start("Hello")
    answer = api.http.get(f"/api/runs/{run}/events", headers={"Last-Event-ID": "last"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert api.http.get(f"/api/runs/{run}/events", params={"after": -2}).status_code == 422


def test_the_run_goes_on_when_its_follower_vanishes(api: Api) -> None:
    run = api.start("Count slowly")
    address = urlsplit(api.address)
    with socket.create_connection((address.hostname, address.port)) as raw:
        raw.sendall(f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        assert b"200 OK" in raw.recv(1000)
    events = api.stream(run)
    assert events[-1]["event"] == "run.finished"
    assert api.http.get(f"/api/runs/{run}").json()["status"] == "finished"


def test_many_follow_one_run_and_see_the_same(api: Api) -> None:
    run = api.start("Count slowly")
    with (
        api.http.stream("GET", f"/api/runs/{run}/events") as one,
        api.http.stream("GET", f"/api/runs/{run}/events") as two,
    ):
        assert one.read() == two.read()


def test_pages_of_events_for_those_who_poll(api: Api) -> None:
    run = api.start("Count slowly")
    seen: list[int] = []
    page = {"next": -1, "done": False}
    while not page["done"]:
        params = {"poll": True, "after": page["next"], "wait": 5}
        page = api.http.get(f"/api/runs/{run}/events", params=params).raise_for_status().json()
        seen += [event["seq"] for event in page["events"]]
    assert seen == list(range(len(api.stream(run))))
    after_the_end = api.http.get(f"/api/runs/{run}/events", params={"poll": True, "after": page["next"]}).json()
    assert after_the_end == {"events": [], "next": page["next"], "done": True}


def test_a_page_of_a_run_that_works_does_not_wait_for_its_end(api: Api) -> None:
    run = api.start("Go on endlessly")
    page = api.http.get(f"/api/runs/{run}/events", params={"poll": True, "wait": 5}).json()
    assert page["events"]
    assert not page["done"]
    assert api.http.post(f"/api/runs/{run}/cancel").json() == {"run_id": run, "cancelled": True}


def test_a_cancelled_run_ends_with_an_event_for_all_who_follow(api: Api) -> None:
    run = api.start("Go on endlessly")
    api.stream(run, stop_after=6)
    assert api.http.post(f"/api/runs/{run}/cancel").json()["cancelled"] is True
    assert api.stream(run)[-1]["event"] == "run.cancelled"
    assert api.http.get(f"/api/runs/{run}").json()["status"] == "cancelled"
    assert api.http.post(f"/api/runs/{run}/cancel").json()["cancelled"] is False


def test_a_picture_is_looked_at_and_the_result_is_an_artifact(api: Api) -> None:
    events = api.run_to_end("How many people are in this picture?", "astronaut.jpg")
    end = events[-1]
    assert end["type"] == "run.finished", end
    assert "1 person" in end["answer"]
    drawn = end["artifacts"][0]
    assert api.http.get(f"/api/artifacts/{drawn['id']}/content").headers["content-type"] == "image/png"
    (call,) = api.http.get(f"/api/artifacts/{drawn['id']}/lineage").json()["calls"]
    assert call["tool"] == "detect_objects"


def test_what_can_not_be_started_is_refused_before_anything_is_stored(api: Api) -> None:
    thread = api.thread()
    url = f"/api/threads/{thread}/runs"
    for body, status, code in (
        ({"message": "  "}, 422, "invalid-input"),
        ({"message": "Hello", "attachments": ["nope"]}, 404, "not-found"),
        ({"message": "Hello", "model": "no-such-model"}, 404, "not-found"),
        ({"text": "Hello"}, 422, "invalid-request"),
        ({"message": "x" * 20_001}, 422, "invalid-input"),
    ):
        answer = api.http.post(url, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert api.http.post("/api/threads/nope/runs", json={"message": "Hello"}).status_code == 404
    assert api.http.get(f"/api/threads/{thread}").json()["runs"] == []


def test_unknown_runs_are_not_found_over_every_route(api: Api) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/events?poll=true"), ("POST", "/cancel")):
        answer = api.http.request(method, "/api/runs/nope" + path.partition("?")[0], params=path.partition("?")[2])
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
