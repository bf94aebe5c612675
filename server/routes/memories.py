"""What is remembered: to see, correct, add, delete and take away."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from memory.longterm.types import MAX_ABOUT, MAX_CHARS, USER, MemoryInfo, NewMemory, TextKind
from server.opened import Opened

router = APIRouter(prefix="/memories", tags=["memory"])


class ToRemember(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_CHARS, examples=["The user is allergic to nuts."])
    kind: TextKind = "fact"
    about: str = Field(default=USER, min_length=1, max_length=MAX_ABOUT, description="`user`, or a name.")
    pinned: bool = Field(default=False, description="Recalled in every turn.")


class Correction(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, min_length=1, max_length=MAX_CHARS)
    kind: TextKind | None = None
    about: str | None = Field(default=None, min_length=1, max_length=MAX_ABOUT)
    pinned: bool | None = None


class MemoryList(BaseModel):
    """``trouble`` says why memories are found by words alone at the moment; empty: by their meaning too."""

    memories: list[MemoryInfo]
    trouble: str = ""


class Found(BaseModel):
    """``score`` orders the hits of one search; ``likeness`` is the cosine of the meanings, if vectors were at hand."""

    memory: MemoryInfo
    score: float
    likeness: float | None


class FoundList(BaseModel):
    hits: list[Found]
    trouble: str = ""


@router.get("", summary="List what is remembered, the one changed last first")
async def index(
    app: Opened,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="Go on after the memory of this id.")] = None,
    superseded: Annotated[bool, Query(description="Those too that no longer hold.")] = False,
) -> MemoryList:
    shown = await app.memories.page(limit=limit, before=before, superseded=superseded)
    return MemoryList(memories=list(shown), trouble=app.memories.trouble)


@router.post("", status_code=201, summary="Remember something")
async def add(app: Opened, body: ToRemember) -> MemoryInfo:
    """Where the same is known already, that is dated anew and given back."""
    kept = await app.memories.add(NewMemory(**body.model_dump()))
    await app.memories.catch_up()
    return kept


@router.get("/search", summary="Find memories by words and meaning")
async def search(
    app: Opened,
    q: Annotated[str, Query(min_length=1, max_length=1_000)],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> FoundList:
    hits = await app.memories.search(q, limit)
    found = [Found(memory=hit.memory, score=hit.score, likeness=hit.likeness) for hit in hits]
    return FoundList(hits=found, trouble=app.memories.trouble)


@router.get("/export", summary="Everything that is remembered, superseded ones too, as a file")
async def export(app: Opened, response: Response) -> MemoryList:
    response.headers["Content-Disposition"] = 'attachment; filename="memories.json"'
    return MemoryList(memories=list(await app.memories.export()))


@router.get("/{memory_id}", summary="Show one memory")
async def show(app: Opened, memory_id: str) -> MemoryInfo:
    return await app.memories.get(memory_id)


@router.patch("/{memory_id}", summary="Correct a memory")
async def edit(app: Opened, memory_id: str, body: Correction) -> MemoryInfo:
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    changed = await app.memories.edit(memory_id, **changes)
    await app.memories.catch_up()
    return changed


@router.delete("/{memory_id}", status_code=204, summary="Forget one memory for good")
async def forget(app: Opened, memory_id: str) -> Response:
    await app.memories.forget(memory_id)
    return Response(status_code=204)


@router.delete("", summary="Forget everything for good")
async def forget_all(app: Opened) -> dict[str, int]:
    return {"forgotten": await app.memories.forget_all()}
