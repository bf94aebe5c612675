"""Every error the project raises on purpose.

    SensoriumError
    ├── InputError             what the user gave can't be used (exit code 2, HTTP 422)
    │   ├── MediaError         a picture, sound or video that can't be read
    │   └── ConsentError       a person's permission is needed, and nobody has said that it was given
    ├── DeniedError            the user or the settings don't let a tool work (exit code 2, HTTP 403)
    ├── QuotaError             there is no room left for what is to be kept (exit code 2, HTTP 507)
    ├── ConflictError          it can't be done while something else goes on (exit code 2, HTTP 409)
    ├── NotFoundError          no such model, thread, run, artifact or tool (exit code 2, HTTP 404)
    ├── UnavailableError       something has to be fetched, installed or started first (exit code 3, HTTP 503)
    │   ├── BusyError          a server is busy or broke off before it did anything: trying again may help
    │   ├── MissingWeightsError
    │   ├── MissingExtraError
    │   ├── MissingSettingError  a key, an address or the user's leave is not there
    │   └── OutOfMemoryError   the model does not fit in what is free
    ├── WeightsError           fetching or checking weights failed (exit code 4)
    │   ├── DownloadError
    │   └── CorruptWeightsError
    ├── EngineError            a model broke while it worked (exit code 5, HTTP 500)
    │   └── ContextOverflowError
    └── PlanError              the planner could not make a plan that passes its checks

Each message is one line that says what was wrong; ``fix`` says what to do about it.
``asyncio.CancelledError`` stays what it is; blocking code raises `Cancelled` (see `engines.progress`).
"""

from __future__ import annotations

from typing import ClassVar


class SensoriumError(Exception):
    """Base class. ``str(error)`` is ``message`` followed by ``fix``."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message = message
        self.fix = fix


class InputError(SensoriumError):
    """What the user gave can't be used as it is."""

    code = "invalid-input"
    exit_code = 2
    http_status = 422


class MediaError(InputError):
    """A picture, sound or video that can't be read, or is too large to be read safely."""

    code = "unreadable-media"


class DeniedError(SensoriumError):
    """A tool was not run, because the user or the settings said no."""

    code = "denied"
    exit_code = 2
    http_status = 403


class ConsentError(InputError):
    """It concerns a person's voice or likeness, and nobody has said that the person agrees."""

    code = "consent-required"


class QuotaError(SensoriumError):
    """The owner keeps as much as the settings allow; ``fix`` says how to make room."""

    code = "quota-exceeded"
    exit_code = 2
    http_status = 507


class ConflictError(SensoriumError):
    """It can't be done as things stand: something else goes on, or has ended."""

    code = "conflict"
    exit_code = 2
    http_status = 409


class NotFoundError(SensoriumError):
    """No model, thread, run, artifact or tool of that name."""

    code = "not-found"
    exit_code = 2
    http_status = 404


class UnavailableError(SensoriumError):
    """It exists, but something has to be fetched, installed or started first."""

    code = "unavailable"
    exit_code = 3
    http_status = 503


class BusyError(UnavailableError):
    """A server is busy or could not be reached: nothing was done (or paid) yet, and trying again may help."""

    code = "busy"


class MissingWeightsError(UnavailableError):
    """The model's files are not on this disk; ``fix`` names the command that fetches them."""

    code = "missing-weights"


class MissingExtraError(UnavailableError):
    """The library this engine needs is not installed; ``fix`` names the extra."""

    code = "missing-extra"


class MissingSettingError(UnavailableError):
    """A key, an address or a leave that the engine needs was not given; ``fix`` names the setting."""

    code = "missing-setting"


class OutOfMemoryError(UnavailableError):
    """The model does not fit in the memory that is free."""

    code = "out-of-memory"


class WeightsError(SensoriumError):
    """Fetching, checking or removing weights failed."""

    code = "weights"
    exit_code = 4


class DownloadError(WeightsError):
    """Every source failed; the message says in a line what failed at each."""

    code = "download-failed"


class CorruptWeightsError(WeightsError):
    """A file's sha256 is not the one the catalog names."""

    code = "corrupt-weights"


class EngineError(SensoriumError):
    """A model broke while it loaded or worked."""

    code = "engine-failed"
    exit_code = 5


class ContextOverflowError(EngineError):
    """The prompt does not fit in the chat model's context window."""

    code = "context-overflow"
    http_status = 422


class PlanError(SensoriumError):
    """The planner could not make a plan that passes its checks."""

    code = "no-plan"
    exit_code = 5


def exit_code_of(code: str) -> int:
    """The exit code of the error class with that ``code``; 1 when there is none."""
    pending: list[type[SensoriumError]] = [SensoriumError]
    while pending:
        found = pending.pop()
        if found.code == code:
            return found.exit_code
        pending += found.__subclasses__()
    return SensoriumError.exit_code
