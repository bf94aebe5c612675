"""Which models there are, and which are in memory."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from engines.audio.voices import offered
from engines.catalog import ModelEntry, Quality
from engines.readiness import Readiness, State
from server.opened import Opened

router = APIRouter(tags=["models and tools"])


class Model(BaseModel):
    """A model of the catalog. ``bytes`` on the disk, ``memory_mb`` when it works (1 MB is 1,000,000 bytes)."""

    id: str
    title: str
    capability: str
    licence: str
    licence_note: str
    default: bool
    embedded: bool
    remote: bool
    languages: tuple[str, ...]
    bytes: int
    memory_mb: int
    sha256: str | None
    quality: Quality | None
    note: str
    state: State
    fix: str = Field(description="How to get it, where it is not ready.")


class SpeakingVoice(BaseModel):
    """A voice of a text-to-speech model. ``language`` is an ISO 639-1 code; what is not known is empty."""

    id: str
    name: str
    language: str
    gender: Literal["female", "male", ""]
    accent: str
    note: str
    model: str
    state: State
    fix: str = Field(description="How to get it, where its model is not ready.")


class VoiceList(BaseModel):
    voices: list[SpeakingVoice]


class ModelList(BaseModel):
    models: list[Model]


class LoadedModel(BaseModel):
    """A model that is in memory or on its way there."""

    model: str
    capability: str
    state: Literal["loading", "idle", "in use"]
    users: int
    memory_mb: float
    measured: bool
    pinned: bool
    idle_seconds: float


class LoadedModelList(BaseModel):
    models: list[LoadedModel]


@router.get("/models", summary="List the models and say which are ready")
async def models(app: Opened) -> ModelList:
    shelf = app.controller.shelf
    found = await asyncio.to_thread(lambda: [(entry, shelf.readiness(entry)) for entry in app.catalog])
    return ModelList(models=[_model(entry, readiness) for entry, readiness in found])


@router.get("/models/loaded", summary="List the models that are in memory")
async def loaded(app: Opened) -> LoadedModelList:
    return LoadedModelList(models=[LoadedModel(**asdict(status)) for status in app.controller.status()])


@router.get("/voices", summary="List the voices that read aloud")
async def voices(app: Opened) -> VoiceList:
    found = await asyncio.to_thread(offered, app.controller.shelf)
    return VoiceList(
        voices=[
            SpeakingVoice(
                **asdict(offer.voice), model=offer.entry.id, state=offer.readiness.state, fix=offer.readiness.fix
            )
            for offer in found
        ]
    )


def _model(entry: ModelEntry, found: Readiness) -> Model:
    return Model(
        **{name: getattr(entry, name) for name in Model.model_fields if name not in {"state", "fix"}},
        state=found.state,
        fix=found.fix,
    )
