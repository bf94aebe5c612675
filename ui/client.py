"""A client of the server: plain HTTP, and a run's events with reconnection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, SSEError

#: An event, artifact, message, run, thread or model as the server sends it.
Json = dict[str, Any]

TERMINAL = frozenset({"run.finished", "run.failed", "run.cancelled"})

READ_TIMEOUT = 45.0
"""Seconds. The server pings three times as often, so a stream that is silent for longer is dead."""


class ApiError(Exception):
    """The server said no, or did not answer. ``fix`` says what to do; ``status`` is 0 without an answer."""

    def __init__(self, message: str, *, fix: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message = message
        self.fix = fix
        self.code = code
        self.status = status


class Client:
    """One server. Every method raises ApiError."""

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        patience: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``patience``: for how many seconds a broken stream is tried again without getting anything."""
        self.base_url = base_url.rstrip("/")
        self._patience = patience
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=self.base_url,
            transport=transport,
            timeout=httpx.Timeout(30.0, read=READ_TIMEOUT),
            # A server that is busy loading a model may close a kept connection just as we use it again.
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,  # a proxy of the environment must not come between us and loopback
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ------------------------------------------------------------------------------------------ conversations

    def threads(self) -> list[Json]:
        return self._list("GET", "/api/threads", "threads")

    def thread(self, thread_id: str) -> Json:
        """A conversation with its ``messages``, ``runs`` and ``artifacts``."""
        return self._json("GET", f"/api/threads/{_safe(thread_id)}")

    def create_thread(self) -> Json:
        return self._json("POST", "/api/threads")

    def delete_thread(self, thread_id: str) -> None:
        self._request("DELETE", f"/api/threads/{_safe(thread_id)}")

    def fork(self, thread_id: str, run_id: str, text: str) -> Json:
        """Send ``text`` in the place of a run's message; returns the new conversation's ``{"thread_id", "run_id"}``."""
        return self._json("POST", f"/api/threads/{_safe(thread_id)}/fork", json={"run_id": run_id, "text": text})

    # --------------------------------------------------------------------------------------------------- runs

    def start_run(self, thread_id: str, message: str, *, attachments: Sequence[str] = ()) -> Json:
        """Returns ``{"run_id", "thread_id", "events"}``; the run goes on whoever watches."""
        body = {"message": message, "attachments": list(attachments)}
        return self._json("POST", f"/api/threads/{_safe(thread_id)}/runs", json=body)

    def run(self, run_id: str) -> Json:
        return self._json("GET", f"/api/runs/{_safe(run_id)}")

    def replay(self, run_id: str) -> Json:
        """Make a run's answer again in a fork; returns ``{"run_id", "thread_id", "events", "compare"}``."""
        return self._json("POST", f"/api/runs/{_safe(run_id)}/replay")

    def compare(self, before: str, now: str) -> Json:
        """Two runs step by step: ``{"a", "b", "steps", "same_plan", "same_answer", "same"}``."""
        return self._json("GET", f"/api/runs/{_safe(before)}/compare/{_safe(now)}")

    def cancel(self, run_id: str) -> Json:
        return self._json("POST", f"/api/runs/{_safe(run_id)}/cancel")

    def approve(self, run_id: str, answers: dict[str, Json]) -> Json:
        """Answer what a waiting run asks: step id -> ``{"action": "approve" | "edit" | "deny", ...}``."""
        return self._json("POST", f"/api/runs/{_safe(run_id)}/approval", json={"answers": answers})

    def resume(self, run_id: str) -> Json:
        """Go on with a run that was interrupted."""
        return self._json("POST", f"/api/runs/{_safe(run_id)}/resume")

    def events_so_far(self, run_id: str, *, after: int = -1) -> Json:
        """``{"events": [...], "next": the cursor for the next call, "done": whether the run is over}``."""
        return self._json("GET", f"/api/runs/{_safe(run_id)}/events", params={"poll": "true", "after": after})

    def events(self, run_id: str, *, after: int = -1) -> Iterator[Json]:
        """Every event after the cursor, live, until the run is over. A broken stream is taken up where it broke."""
        patient_until = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                for event in self._stream(run_id, after):
                    after = event["seq"]
                    patient_until = time.monotonic() + self._patience
                    pause = 0.1
                    yield event
                    if event["type"] in TERMINAL:
                        return
                if self.events_so_far(run_id, after=after)["done"]:
                    return
            except (httpx.TransportError, ApiError) as error:
                # An answer below 500 is about this request; anything else is a server that may come back.
                if isinstance(error, ApiError) and 0 < error.status < 500:
                    raise
                if time.monotonic() > patient_until:
                    raise error if isinstance(error, ApiError) else self._unreachable(error) from error
            self._sleep(pause)
            pause = min(pause * 2, 2.0)

    def _stream(self, run_id: str, after: int) -> Iterator[Json]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if after >= 0:
            headers["Last-Event-ID"] = str(after)
        with self._http.stream("GET", f"/api/runs/{_safe(run_id)}/events", headers=headers) as response:
            if response.status_code == httpx.codes.NO_CONTENT:  # nothing more will come
                return
            if response.is_error:
                response.read()
                raise _problem(response)
            try:
                for sse in EventSource(response).iter_sse():
                    if sse.data:
                        yield json.loads(sse.data)
            except SSEError as error:
                raise ApiError("The server's answer is not an event stream.", fix="Is this a Sensorium?") from error

    def preview(self, run_id: str, call_id: str) -> bytes:
        """A small JPEG of what a call is making just now."""
        return self._request("GET", f"/api/runs/{_safe(run_id)}/previews/{_safe(call_id)}").content

    # --------------------------------------------------------------------------------------------------- user

    def feedback(self, thread_id: str) -> list[Json]:
        """What was said of a conversation's answers: ``{"run_id", "rating", "comment"}``."""
        return self._list("GET", "/api/feedback", "feedback", params={"thread": thread_id, "limit": 1_000})

    def give_feedback(self, run_id: str, rating: str, comment: str = "") -> Json:
        return self._json("PUT", f"/api/runs/{_safe(run_id)}/feedback", json={"rating": rating, "comment": comment})

    def take_back_feedback(self, run_id: str) -> None:
        self._request("DELETE", f"/api/runs/{_safe(run_id)}/feedback")

    def profile(self) -> Json:
        """What the user has chosen: ``{"name", "model", "approval": [{"tool", "policy", "chosen_by"}]}``."""
        return self._json("GET", "/api/me")

    def choose(self, changes: Json) -> Json:
        return self._json("PATCH", "/api/me", json=changes)

    def usage(self) -> list[Json]:
        """By chat model: ``{"model", "runs", "prompt_tokens", "completion_tokens"}``."""
        return self._list("GET", "/api/usage", "models")

    # -------------------------------------------------------------------------------------------------- media

    def upload(self, name: str, data: bytes | IO[bytes], mime: str = "") -> Json:
        """Store a file; returns the artifact."""
        return self._json("POST", "/api/artifacts", files={"file": (name, data, mime or "application/octet-stream")})

    def artifact(self, artifact_id: str) -> Json:
        return self._json("GET", f"/api/artifacts/{_safe(artifact_id)}")

    def lineage(self, artifact_id: str) -> Json:
        return self._json("GET", f"/api/artifacts/{_safe(artifact_id)}/lineage")

    def content(self, artifact_id: str) -> bytes:
        return self._request("GET", f"/api/artifacts/{_safe(artifact_id)}/content").content

    def thumbnail(self, artifact_id: str, size: int = 256) -> bytes:
        """A small picture whose longer edge is at most ``size`` px."""
        return self._request("GET", f"/api/artifacts/{_safe(artifact_id)}/thumbnail", params={"size": size}).content

    def content_url(self, artifact_id: str) -> str:
        return f"{self.base_url}/api/artifacts/{artifact_id}/content"

    # ------------------------------------------------------------------------------------------ what is there

    def models(self) -> list[Json]:
        return self._list("GET", "/api/models", "models")

    def tools(self) -> list[Json]:
        return self._list("GET", "/api/tools", "tools")

    def health(self) -> Json:
        return self._json("GET", "/api/health")

    # ------------------------------------------------------------------------------------------------ plumbing

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _problem(response)
        return response

    def _json(self, method: str, path: str, **options: Any) -> Json:
        body: Json = self._request(method, path, **options).json()
        return body

    def _list(self, method: str, path: str, key: str, **options: Any) -> list[Json]:
        items: list[Json] = self._json(method, path, **options)[key]
        return items

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "can't be reached"
        return ApiError(f"The server at {self.base_url} {what}.", fix="Start it with: sensorium up", code="unreachable")


def _safe(id_: str) -> str:
    """As one segment of a path, whatever the page's address said."""
    return quote(id_, safe="")


def _problem(response: httpx.Response) -> ApiError:
    """The error in a problem+json body, or the best that can be said of another."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict) or "detail" not in body:
        return ApiError(f"The server answered {response.status_code}.", status=response.status_code)
    return ApiError(
        str(body["detail"]), fix=body.get("fix", ""), code=body.get("code", ""), status=response.status_code
    )
