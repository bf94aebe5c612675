"""Every tool, called directly: a route of its own for each, with its own schema."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field

from agent.app import App, ToolSpec
from engines.errors import SensoriumError
from memory.artifact_types import ArtifactRef
from memory.events import Event, EventBody, Receipt, ToolFailed
from server import sse
from server.opened import Opened
from server.patience import NOBODY_THERE, while_there


class Tool(BaseModel):
    name: str
    purpose: str
    parameters: dict[str, Any] = Field(description="JSON schema.")
    one_of: list[str] = Field(description="Of these parameters exactly one is given.")
    result: dict[str, Any] = Field(description="JSON schema.")
    danger: str
    cost_seconds: float = Field(description="About how long a call takes on two CPU cores.")


class ToolList(BaseModel):
    tools: list[Tool]


class Called(BaseModel):
    """What a call gave: the typed result, the media it made, and which models worked."""

    tool: str
    result: dict[str, Any]
    summary: str
    artifacts: list[ArtifactRef]
    receipts: list[Receipt]
    seconds: float


def routes(specs: tuple[ToolSpec, ...]) -> APIRouter:
    """A router with the list and a POST route for each tool."""
    router = APIRouter(tags=["models and tools"])

    @router.get("/tools", summary="List the tools with their parameters")
    async def tools() -> ToolList:
        return ToolList(tools=[_described(spec) for spec in specs])

    for spec in specs:
        _add(router, spec)
    return router


def _described(spec: ToolSpec) -> Tool:
    return Tool(
        name=spec.name,
        purpose=spec.purpose,
        parameters=spec.parameters_schema(),
        one_of=sorted(spec.one_of),
        result=spec.result.model_json_schema(),
        danger=spec.danger.value,
        cost_seconds=spec.cost.seconds,
    )


def _add(router: APIRouter, spec: ToolSpec) -> None:
    async def call(app: Opened, request: Request, args: Annotated[BaseModel, Body()]) -> Any:
        given = args.model_dump(exclude_unset=True)
        if "text/event-stream" in request.headers.get("accept", ""):
            return sse.stream(_events(app, spec.name, given))
        return await _result(app, spec.name, given, request)

    call.__annotations__["args"] = Annotated[spec.parameters, Body()]
    router.add_api_route(
        f"/tools/{spec.name}",
        call,
        methods=["POST"],
        name=f"call_{spec.name}",
        summary=spec.purpose.rstrip("."),
        description="Media are ids of artifacts. With `Accept: text/event-stream` the call's events are sent as they "
        "come. A client that goes away stops the call.",
        response_model=Called,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )


async def _result(app: App, name: str, args: dict[str, Any], request: Request) -> Called | Response:
    outcome = await while_there(request, app.tools.run(name, args, call_id=_call_id(), emit=lambda _: None))
    if outcome is None:
        return Response(status_code=NOBODY_THERE)
    return Called(
        tool=name,
        result=outcome.result.model_dump(mode="json"),
        summary=outcome.result.summary(),
        artifacts=list(outcome.artifacts),
        receipts=list(outcome.receipts),
        seconds=outcome.seconds,
    )


async def _events(app: App, name: str, args: dict[str, Any]) -> AsyncIterator[Event]:
    """The call's events, the last of which is ``tool.finished`` or ``tool.failed``."""
    call_id, seq = _call_id(), 0
    bodies: asyncio.Queue[EventBody | None] = asyncio.Queue()
    work = asyncio.create_task(app.tools.run(name, args, call_id=call_id, emit=bodies.put_nowait))
    work.add_done_callback(lambda _: bodies.put_nowait(None))
    try:
        while (body := await bodies.get()) is not None:
            yield Event(run_id=call_id, seq=seq, at=datetime.now(UTC), body=body)
            seq += 1
        if isinstance(error := work.exception(), SensoriumError):
            failed = ToolFailed(call_id=call_id, tool=name, code=error.code, message=str(error))
            yield Event(run_id=call_id, seq=seq, at=datetime.now(UTC), body=failed)
        elif error is not None:
            raise error
    finally:
        work.cancel()


def _call_id() -> str:
    return f"call-{secrets.token_hex(8)}"
