"""The server: `create_app` builds it; ``uvicorn --factory server.app:create_app`` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from agent.app import App, offered_tools, open_app
from server import problems
from server.local_only import LocalOnly
from server.routes import artifacts, catalog, feedback, health, me, memories, runs, threads, tools, travel

#: Opens the application and closes it again: `agent.app.open_app`, or a test's own.
OpenApp = Callable[[], AbstractAsyncContextManager[App]]

DESCRIPTION = """
Talk to the agent and follow what it does. A **run** answers one message of a **thread**; it works on whether or not
anybody watches, and its **events** can be read from any point, live (server-sent events) or page by page.
Media are **artifacts**: upload them, then name their ids. Errors are RFC 9457 problems: `detail` says what was wrong,
`fix` what to do about it.
"""


def create_app(open_app: OpenApp = open_app) -> FastAPI:
    """The ASGI application. Nothing is opened before it starts up."""

    @asynccontextmanager
    async def lifespan(server: FastAPI) -> AsyncIterator[None]:
        async with open_app() as opened:
            server.state.app = opened
            await opened.pick_up()
            yield

    server = FastAPI(
        title="Sensorium", version=version("sensorium"), description=DESCRIPTION, lifespan=lifespan, redoc_url=None
    )
    server.add_middleware(LocalOnly)
    problems.install(server)
    routers = [module.router for module in (threads, runs, travel, feedback, artifacts, memories, me, catalog, health)]
    for router in (*routers, tools.routes(offered_tools())):
        server.include_router(router, prefix="/api", responses=problems.RESPONSES)
    return server
