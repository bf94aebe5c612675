"""Taking in a file: straight to the disk, counted on the way."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from engines.errors import InputError
from server.problems import TooLargeError

FORM_BYTES = 64_000
"""What a form needs around its file."""


@dataclass(frozen=True, slots=True)
class Received:
    """``name`` is as the client gave it: not to be trusted."""

    path: Path
    name: str


@asynccontextmanager
async def received(request: Request, *, max_bytes: int) -> AsyncIterator[Received]:
    """The form's ``file``, in a temporary file that is gone afterwards.

    Raises TooLargeError as soon as more than ``max_bytes`` are announced or have come in, InputError for another form.
    """
    limit = max_bytes + FORM_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(max_bytes)
    counted = Request(request.scope, _counting(request.receive, limit, max_bytes))
    try:
        async with counted.form(max_files=1, max_fields=8) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InputError("There is no file in the form.", fix="Send multipart/form-data with a field 'file'.")
            if file.size is not None and file.size > max_bytes:
                raise _too_large(max_bytes)
            with tempfile.TemporaryDirectory(prefix="sensorium-") as folder:
                path = Path(folder, "upload")
                await asyncio.to_thread(_copy, file, path)
                yield Received(path, file.filename or "file")
    except HTTPException as error:  # how Starlette says that a form can't be parsed
        raise InputError(
            f"The form can't be read: {error.detail}.", fix="Send one file in the field 'file'."
        ) from error


def _counting(receive: Receive, limit: int, max_bytes: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(max_bytes)
        return message

    return counted


def _copy(file: UploadFile, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target, 1 << 20)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"The file is larger than {max_bytes / 1e6:g} MB.", fix="Send a smaller one, or raise SENSORIUM_MAX_UPLOAD_MB."
    )
