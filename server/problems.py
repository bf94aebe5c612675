"""Errors as RFC 9457 problem details: one shape for what the project raises, for bad requests and for surprises."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engines.errors import InputError, SensoriumError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class TooLargeError(InputError):
    """A request or a file is larger than the settings allow."""

    code = "too-large"
    http_status = 413


class ForbiddenError(SensoriumError):
    """The request comes from somewhere that may not drive this server."""

    code = "forbidden"
    exit_code = 2
    http_status = 403


class Problem(BaseModel):
    """RFC 9457. ``detail`` says what was wrong, ``fix`` what to do about it."""

    type: str = Field(examples=["urn:sensorium:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    code: str = Field(examples=["not-found"])
    fix: str = ""
    instance: str = Field(default="", description="The path that was asked for.")
    errors: list[dict[str, str]] = Field(default=[], description="Each field that does not fit.")


_SCHEMA = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}

#: For ``responses=`` of a router: every error a route may answer has this shape.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What was wrong and what to do", "content": _SCHEMA},
    "5XX": {"description": "What failed and what to do", "content": _SCHEMA},
}


class ProblemResponse(JSONResponse):
    """A `Problem` as an answer."""

    media_type = MEDIA_TYPE
    _TITLES: ClassVar[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}

    @classmethod
    def of(
        cls,
        status: int,
        code: str,
        detail: str,
        *,
        fix: str = "",
        path: str = "",
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> ProblemResponse:
        problem = Problem(
            type=f"urn:sensorium:problem:{code}",
            title=cls._TITLES.get(status, "Error"),
            status=status,
            detail=detail,
            code=code,
            fix=fix,
            instance=path,
            errors=errors or [],
        )
        return cls(problem.model_dump(exclude_defaults=True), status_code=status, headers=headers)

    @classmethod
    def of_error(cls, error: SensoriumError, path: str = "") -> ProblemResponse:
        return cls.of(error.http_status, error.code, error.message, fix=error.fix, path=path)


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem."""
    app.add_exception_handler(SensoriumError, _expected)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _surprise)
    described = app.openapi

    def with_problem() -> dict[str, Any]:
        schema = described()
        schema["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return schema

    app.openapi = with_problem  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


async def _expected(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, SensoriumError)  # noqa: S101 - narrows the type Starlette's handlers share
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return ProblemResponse.of_error(error, request.url.path)


async def _not_valid(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows the type Starlette's handlers share
    errors = [{"field": ".".join(str(part) for part in e["loc"][1:]), "message": e["msg"]} for e in error.errors()]
    first = errors[0]
    where = f"{first['field']}: " if first["field"] else ""
    return ProblemResponse.of(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        f"The request does not fit: {where}{first['message']}.",
        fix="The fields and their types are at /docs.",
        path=request.url.path,
        errors=errors,
    )


async def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows the type Starlette's handlers share
    codes = {HTTPStatus.NOT_FOUND: "no-such-route", HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed"}
    details = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.url.path}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.url.path} does not take {request.method}.",
    }
    status = HTTPStatus(error.status_code)
    return ProblemResponse.of(
        status,
        codes.get(status, "http-error"),
        details.get(status, str(error.detail)),
        fix="Every route is at /docs." if status in details else "",
        path=request.url.path,
        headers=dict(error.headers or {}),
    )


async def _surprise(request: Request, error: Exception) -> ProblemResponse:
    del error  # the server logs it with its trace; a client learns nothing of our insides
    return ProblemResponse.of(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something broke inside the server.",
        fix="The server's log says what; please report it if it happens again.",
        path=request.url.path,
    )
