"""Media: in, out, small, and where they come from."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from agent.app import Replayed, ReplayPlan
from memory.artifact_types import ArtifactRef, Lineage
from memory.lineage_graph import MAX_DEPTH, LineageGraph
from server import thumbnails, uploads
from server.opened import Opened
from server.patience import NOBODY_THERE, while_there

router = APIRouter(prefix="/artifacts", tags=["media"])

#: Shown in the browser; everything else is saved. None of these can run anything.
SHOWN = ("image/", "audio/", "video/", "text/plain")

#: What is served was made by strangers or models: it may not run, load anything, be guessed to be something else, or
#: be embedded elsewhere. An artifact never changes, so it may be kept.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=31536000, immutable",
}

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post("", status_code=201, summary="Upload a file", openapi_extra=_FORM)
async def upload(app: Opened, request: Request) -> ArtifactRef:
    """One file in the form field `file`. It is written to the disk as it comes in, and no more of it than allowed."""
    async with uploads.received(request, max_bytes=app.settings.max_upload_mb * 1_000_000) as file:
        return await app.artifacts.add_file(file.path, name=file.name, lineage=Lineage(tool="upload"))


@router.get("/{artifact_id}", summary="Describe an artifact")
async def show(app: Opened, artifact_id: str) -> ArtifactRef:
    return await app.artifacts.get(artifact_id)


@router.get("/{artifact_id}/content", summary="Fetch the bytes", response_class=FileResponse)
async def content(app: Opened, artifact_id: str) -> FileResponse:
    """Takes `Range`, so that players can seek."""
    artifact = await app.artifacts.get(artifact_id)
    shown = artifact.mime.startswith(SHOWN) and artifact.mime != "image/svg+xml"
    return FileResponse(
        await app.artifacts.path(artifact_id),
        media_type=artifact.mime,
        filename=artifact.name,
        content_disposition_type="inline" if shown else "attachment",
        headers=HEADERS | {"ETag": f'"{artifact.sha256}"'},
    )


@router.get("/{artifact_id}/lineage", summary="Show what an artifact was made from, and what was made of it")
async def lineage(
    app: Opened,
    artifact_id: str,
    depth: Annotated[int, Query(ge=1, le=MAX_DEPTH, description="How many generations, up and down.")] = 10,
) -> LineageGraph:
    """A graph: the artifacts, the calls that made them (tool, arguments, models, seed), and the edges between."""
    return await app.artifacts.graph(artifact_id, depth=depth)


@router.get("/{artifact_id}/replay", summary="Say whether an artifact can be made again, and with what")
async def replay_plan(app: Opened, artifact_id: str) -> ReplayPlan:
    """Runs nothing."""
    return await app.replays.plan(artifact_id)


@router.post(
    "/{artifact_id}/replay", status_code=201, summary="Make an artifact again and compare", response_model=Replayed
)
async def replay(app: Opened, artifact_id: str, request: Request) -> Replayed | Response:
    """The same tool with the same arguments, seed and models on the same parents. A client that goes away stops it."""
    replayed = await while_there(request, app.replays.replay(artifact_id, emit=lambda _: None))
    return replayed if replayed is not None else Response(status_code=NOBODY_THERE)


@router.get("/{artifact_id}/thumbnail", summary="Fetch a small picture", response_class=Response)
async def thumbnail(
    app: Opened,
    artifact_id: str,
    size: Annotated[int, Query(ge=16, le=2048, description="Longer edge in px, at most.")] = 256,
) -> FileResponse:
    artifact = await app.artifacts.get(artifact_id)
    source = await app.artifacts.path(artifact_id)
    folder = app.settings.home / "cache" / "thumbnails"
    made = await asyncio.to_thread(
        thumbnails.make, source, artifact, folder, longer_edge=size, max_pixels=app.settings.max_pixels
    )
    return FileResponse(made, headers=HEADERS | {"ETag": f'"{made.name}"'})
