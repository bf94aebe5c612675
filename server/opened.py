"""How a route gets at the application that `server.app` has opened."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from agent.app import App


def _opened(request: Request) -> App:
    app: App = request.app.state.app
    return app


#: A route's parameter of this type is the open application.
Opened = Annotated[App, Depends(_opened)]
