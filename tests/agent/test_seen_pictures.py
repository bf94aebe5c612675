"""Pictures that are shown again are recognised by how they look, whatever they are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from homes import events_of, scripted_app, turn
from PIL import Image

from agent.app import App
from memory.artifact_types import Lineage
from memory.events import Event, MemoryRecalled

MEDIA = Path(__file__).parents[1] / "media"


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    async with scripted_app(tmp_path, [{"when": "", "answer": "{memory}"}]) as opened:
        await turn(opened, "What do you think of her?", "chelsea.jpg", thread="one")
        await opened.keeper.drain()
        yield opened


async def shown(app: App, picture: Image.Image, folder: Path, message: str) -> list[str]:
    path = folder / "shown now.png"
    picture.save(path)
    ref = await app.artifacts.add_file(path, name=path.name, lineage=Lineage(tool="upload"))
    info = await app.agent.start(message, thread_id="two", attachments=[ref.id])
    return recalled(await events_of(app, info.id))


def recalled(events: list[Event]) -> list[str]:
    return [item for event in events if isinstance(event.body, MemoryRecalled) for item in event.body.items]


async def test_a_smaller_copy_under_another_name_is_known_again(app: App, tmp_path: Path) -> None:
    with Image.open(MEDIA / "chelsea.jpg") as cat:
        smaller = cat.convert("RGB").resize((cat.width * 2 // 3, cat.height * 2 // 3))
    first = (await shown(app, smaller, tmp_path, "Have I shown you this before?"))[0]
    assert first.startswith("The picture shown now looks like an earlier one: chelsea.jpg: a picture the user showed.")


async def test_another_picture_is_not(app: App, tmp_path: Path) -> None:
    with Image.open(MEDIA / "astronaut.jpg") as person:
        items = await shown(app, person.convert("RGB"), tmp_path, "Have I shown you this before?")
    assert not any("looks like an earlier one" in item for item in items)


async def test_who_does_not_ask_is_not_told(app: App, tmp_path: Path) -> None:
    with Image.open(MEDIA / "chelsea.jpg") as cat:
        items = await shown(app, cat.convert("RGB"), tmp_path, "Cut it out")
    assert not any("looks like an earlier one" in item for item in items)
