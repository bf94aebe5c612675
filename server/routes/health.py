"""Whether the server works."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from server.opened import Opened

router = APIRouter(tags=["server"])


class Health(BaseModel):
    status: Literal["ok"]
    version: str
    max_upload_mb: int


@router.get("/health", summary="Say that the server works")
async def health(app: Opened, request: Request) -> Health:
    return Health(status="ok", version=request.app.version, max_upload_mb=app.settings.max_upload_mb)
