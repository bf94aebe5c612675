"""Files on their way in: copied, hashed and safely on the disk before anything else is done about them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engines.errors import InputError, SensoriumError
from engines.progress import Cancelled, CancelToken

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Received:
    sha256: str
    bytes: int


def receive(source: Callable[[], BinaryIO], target: Path, name: str, max_bytes: int, cancel: CancelToken) -> Received:
    """Copy a stream to ``target``, safely on the disk, and hash it on the way. Leaves nothing when it fails."""
    try:
        stream = source()
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}.", fix="Check the path.") from error
    try:
        with stream:
            return _copy(stream, target, name, max_bytes, cancel)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise disk_error(error, name) from error
    except (InputError, Cancelled):
        target.unlink(missing_ok=True)
        raise


def _copy(stream: BinaryIO, target: Path, name: str, max_bytes: int, cancel: CancelToken) -> Received:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        cancel.check()
        while chunk := stream.read(_CHUNK):
            cancel.check()
            size += len(chunk)
            if size > max_bytes:
                raise InputError(
                    f"{name} is larger than {max_bytes / 1e6:g} MB.", fix="Send a smaller file, or raise the limit."
                )
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Received(digest.hexdigest(), size)


def disk_error(error: OSError, name: str) -> SensoriumError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SensoriumError(f"There is no room left on the disk to store {name}.", fix="Free some space.")
    return SensoriumError(f"{name} can't be stored: {error.strerror}.", fix="Check the data folder and its disk.")
