"""Who may talk to the server: programs on this machine, and pages this machine serves.

A server on loopback is reachable by every web page the user opens. Three checks keep strangers out: the ``Host``
must be a name of this machine (DNS rebinding), the ``Origin`` of a page must be local (forged requests), and a
page from elsewhere may not embed what is served here. The peer itself must be on loopback, whatever the bind.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.problems import ForbiddenError, ProblemResponse

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class LocalOnly:
    """Middleware that answers 403 to everybody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        app = ProblemResponse.of_error(refusal, scope["path"]) if refusal else self._app
        await app(scope, receive, send)


def _refusal(scope: Scope) -> ForbiddenError | None:
    headers = Headers(scope=scope)
    client = scope.get("client")
    if client and not _is_loopback(client[0]):
        return ForbiddenError(
            f"Requests from {client[0]} are not served.", fix="Use the machine itself, or an SSH tunnel to it."
        )
    if not _is_local("//" + headers.get("host", "")):
        return ForbiddenError(
            "The Host header is not a name of this machine.", fix="Ask for http://127.0.0.1 or http://localhost."
        )
    origin = headers.get("origin")
    if origin is not None and not _is_local(origin):
        return ForbiddenError(f"A page from {origin[:100]} may not use this server.", fix="Open the page from here.")
    embedded = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if embedded and origin is None:
        return ForbiddenError("Pages from elsewhere may not embed what is served here.")
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_local(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOCAL_NAMES
    except ValueError:
        return False
