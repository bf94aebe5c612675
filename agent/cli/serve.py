"""``serve`` starts the API, ``up`` the API and the page."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

import click

from agent.settings import Settings, load_settings
from engines.errors import InputError, MissingExtraError

#: Named by a string: the floor above is loaded when it is run, never imported.
SERVER = "server.app:create_app"

SHUTDOWN_SECONDS = 5
"""How long open connections may take to end when the server stops."""


@click.command()
@click.option("--host", help="Address to listen on; loopback only.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
def serve(host: str | None, port: int | None) -> None:
    """Start the API and work until Ctrl-C."""
    import uvicorn

    settings = _settings(host=host, port=port)
    listener = listen(settings.host, settings.port, setting="port")
    click.echo(f"The API is at {address(settings.host, settings.port)} - every route at /docs. Ctrl-C stops it.")
    config = uvicorn.Config(
        SERVER,
        factory=True,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API.")
@click.option("--ui-port", type=click.IntRange(1, 65535), help="Port of the page.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in the browser.")
def up(port: int | None, ui_port: int | None, *, open_browser: bool) -> None:
    """Start the API and the page and work until Ctrl-C. Their logs are in the data folder's logs/."""
    from agent.processes import Service, keep_up

    settings = _settings(port=port, ui_port=ui_port)
    page_file = _page_file()
    api, page = address(settings.host, settings.port), address("127.0.0.1", settings.ui_port)
    for host, number, setting in ((settings.host, settings.port, "port"), ("127.0.0.1", settings.ui_port, "ui_port")):
        listen(host, number, setting=setting).close()
    logs = settings.home / "logs"
    services = (
        Service("API", ("-m", "agent.cli", "serve"), f"{api}/api/health", logs / "api.log", _environment(settings)),
        Service(
            "page",
            (
                *("-m", "streamlit", "run", str(page_file), "--server.headless", "true"),
                *("--server.address", "127.0.0.1", "--server.port", str(settings.ui_port)),
                *("--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"),
                *("--server.maxUploadSize", str(settings.max_upload_mb)),
            ),
            f"{page}/_stcore/health",
            logs / "page.log",
            {"SENSORIUM_API": api, "STREAMLIT_CLIENT_TOOLBAR_MODE": "minimal"},
        ),
    )

    def ready() -> None:
        click.echo(f"Sensorium is at {page}\nThe API is at {api} - every route at /docs\nCtrl-C stops both.")
        if open_browser:
            click.launch(page)

    keep_up(services, on_ready=ready)


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket bound to a loopback address. Raises InputError for another address and for a port that is taken."""
    check_loopback(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # there it would let two programs share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        option = "--" + setting.replace("_", "-")
        raise InputError(
            f"Port {port} can't be used: {(error.strerror or str(error)).lower()}.",
            fix=f"Stop what uses it, or choose another: {option} or SENSORIUM_{setting.upper()}.",
        ) from error
    return listener


def check_loopback(host: str) -> None:
    """Raises InputError for an address that other machines can reach: there are no accounts yet to keep them out."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise InputError(
            f"The server listens on loopback only, not on {host}.",
            fix="Set SENSORIUM_HOST to 127.0.0.1; from another machine, use an SSH tunnel.",
        )


def address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _settings(**given: str | int | None) -> Settings:
    """The settings with the options of the command line on top. They go into the environment, where `server` and the
    processes of `up` find them.
    """
    for name, value in given.items():
        if value is not None:
            os.environ[f"SENSORIUM_{name.upper()}"] = str(value)
    return load_settings()


def _environment(settings: Settings) -> dict[str, str]:
    return {"SENSORIUM_HOST": settings.host, "SENSORIUM_PORT": str(settings.port)}


def _page_file() -> Path:
    """Raises MissingExtraError when the page's libraries are not installed."""
    from importlib.util import find_spec

    if find_spec("streamlit") is None or find_spec("httpx_sse") is None:
        raise MissingExtraError(
            "The page needs streamlit, which is not installed.", fix="Run: pip install 'sensorium[ui]'"
        )
    package = find_spec("ui")
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError("The page is not installed.", fix="Install sensorium again.")
    return Path(package.submodule_search_locations[0], "app.py")
