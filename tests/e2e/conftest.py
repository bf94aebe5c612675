"""``sensorium up`` as a user starts it, and a real browser before it. Screenshots are left in ``test-results/``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_page import ChatPage
from live_server import ENDLESS, HELLO, PEOPLE, SLOW
from playwright.sync_api import Browser, sync_playwright
from processes import first_lines, free_port, sensorium
from scripted_chat import write_script
from waiting_painter import add_waiting_painter

RESULTS = Path(__file__).parents[2] / "test-results"

#: Quiet: a browser that calls home would hide a page that does.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
)

#: What `make models` fetches and the acceptance tests use.
NEEDED = ("qwen2.5-coder-1.5b", "nanodet-416", "whisper-base", "piper-en-us-joe", "kokoro-82m")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These come last: once Playwright's loop has run in a thread, no asyncio test can run there."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
    items[:] = [item for item in items if item not in ours] + ours


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = (os.environ.get("SENSORIUM_TEST_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium: install the package 'chromium', or name one in SENSORIUM_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def _up(home: Path, **environment: str) -> Iterator[str]:
    port, ui_port = free_port(), free_port()
    with sensorium(home, "up", "--port", str(port), "--ui-port", str(ui_port), **environment) as process:
        said = first_lines(process, 2)
        assert f"http://127.0.0.1:{ui_port}" in said, process.communicate()[1]
        yield f"http://127.0.0.1:{ui_port}"


@pytest.fixture(scope="session")
def scripted_up(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[str]:
    """The page's address, with a script for a chat model and everything else real."""
    home = tmp_path_factory.mktemp("scripted")
    write_script(home, [HELLO, PEOPLE, SLOW, ENDLESS])
    yield from _up(home)


@pytest.fixture
def painting_up(tmp_path: Path, browser: Browser) -> Iterator[tuple[str, Path]]:
    """The page's address, with a painter that shows a preview and works until the file is there."""
    draw = {"when": "Draw", "calls": [{"tool": "generate_image", "prompt": "a kite"}], "answer": "There it is."}
    write_script(tmp_path, [draw])
    let_on = add_waiting_painter(tmp_path)
    for address in _up(tmp_path):
        yield address, let_on


@pytest.fixture(scope="session")
def real_up(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser, models_dir: Path, weights: Callable[[str], Path]
) -> Iterator[str]:
    """The page's address, with an empty home and the models that have been pulled."""
    for model in NEEDED:
        weights(model)
    yield from _up(tmp_path_factory.mktemp("real"), SENSORIUM_MODELS_DIR=str(models_dir))


@pytest.fixture
def tab(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[[str], ChatPage]]:
    """``tab(address)`` opens a page. It fails the test that makes the page ask anybody but this machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["microphone"])
    asked: list[str] = []
    context.on("request", lambda sent: asked.append(sent.url))
    yield lambda address: ChatPage(context.new_page(), address).open()
    RESULTS.mkdir(exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name)
    for number, page in enumerate(context.pages):
        page.screenshot(path=RESULTS / f"{name}{f'-{number}' if number else ''}.png")
    context.close()
    elsewhere = [url for url in asked if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url)]
    assert not elsewhere
