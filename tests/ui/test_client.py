"""The client: every answer or one clear error, and no event lost or doubled when a stream breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ui.client import ApiError, Client


class Breaking(httpx.SyncByteStream):
    """A stream that gives its chunks and then breaks."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise httpx.ReadError("the line went dead")


class Server:
    """A run of ``total`` events whose stream breaks after every ``each`` of them."""

    def __init__(self, total: int, each: int) -> None:
        self.total, self.each = total, each
        self.cursors: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        after = int(request.headers.get("last-event-id", -1))
        self.cursors.append(after)
        seqs = range(after + 1, min(after + 1 + self.each, self.total))
        chunks = [self._sse(seq) for seq in seqs]
        return httpx.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Breaking(b": ping\n\n", *chunks)
        )

    def _sse(self, seq: int) -> bytes:
        type_ = "run.finished" if seq == self.total - 1 else "message.delta"
        data = json.dumps({"seq": seq, "type": type_, "text": "x\u2028y"}, ensure_ascii=False)
        return f"id: {seq}\nevent: {type_}\ndata: {data}\n\n".encode()


def client(handler: Any, **options: Any) -> Client:
    return Client("http://localhost:1", transport=httpx.MockTransport(handler), sleep=lambda seconds: None, **options)


def test_a_broken_stream_is_taken_up_where_it_broke() -> None:
    server = Server(total=8, each=3)
    assert [event["seq"] for event in client(server).events("r")] == list(range(8))
    assert server.cursors == [-1, 2, 5]


def test_the_first_events_may_have_been_seen_already() -> None:
    server = Server(total=8, each=8)
    assert [event["seq"] for event in client(server).events("r", after=5)] == [6, 7]
    assert server.cursors == [5]


def test_a_run_that_was_seen_to_its_end_gives_nothing_and_ends() -> None:
    def over(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("poll"):
            return httpx.Response(200, json={"events": [], "next": 7, "done": True})
        return httpx.Response(204)

    assert list(client(over).events("r", after=7)) == []


def test_a_server_that_stays_away_is_given_up() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ApiError, match=r"can't be reached\. Start it with: sensorium up") as caught:
        list(client(away, patience=0).events("r"))
    assert (caught.value.status, caught.value.code) == (0, "unreachable")


def test_a_run_that_is_not_there_is_not_asked_for_again() -> None:
    asked = []

    def nothing(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404, json={"detail": "There is no run 'r'.", "fix": "", "code": "not-found"})

    with pytest.raises(ApiError, match="no run"):
        list(client(nothing).events("r"))
    assert len(asked) == 1


def test_a_problem_becomes_an_error_that_says_what_to_do() -> None:
    problem = {"detail": "It is too large.", "fix": "Send a smaller one.", "code": "too-large", "status": 413}
    with pytest.raises(ApiError) as caught:
        client(lambda request: httpx.Response(413, json=problem)).upload("x", b"y")
    error = caught.value
    assert (error.message, error.fix, error.code, error.status) == (*list(problem.values())[:3], 413)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "x"}'])
def test_an_answer_of_another_kind_of_server_is_an_error_too(body: bytes) -> None:
    with pytest.raises(ApiError, match="The server answered 502"):
        client(lambda request: httpx.Response(502, content=body)).health()
