"""Tools over videos, end to end: artifacts in, typed results, clips that show what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from clips import grey, moving_photo, write_clip
from homes import scripted_app
from moving_people import FILMED_ENTRY
from scripted_chat import write_script

from agent.app import App, open_app
from agent.cli.actions import actions
from engines.errors import InputError, MediaError
from engines.image.read import read_image
from engines.media import Limits
from engines.video.action_store import ActionStore
from engines.video.read import Video
from memory.artifact_types import Lineage
from server import thumbnails
from tools.registry import Outcome
from tools.video.pace import MOST_FRAMES, pace

pytest.importorskip("mediapipe", reason="needs mediapipe, see the extra `vision`")
pytest.importorskip("trackers", reason="needs the extra `vision`")

MEDIA = Path(__file__).parents[1] / "media"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a person moves to the right for two seconds."""
    photo = read_image(MEDIA / "astronaut.jpg").resize((300, 300))
    frames = moving_photo(photo, [(10 + 20 * n, 30) for n in range(12)], (640, 360))
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", frames, fps=6)


async def add(app: App, path: Path) -> str:
    return (await app.artifacts.add_file(path, name=path.name, lineage=Lineage(tool="upload"))).id


async def run(app: App, tool: str, **args: Any) -> Outcome:
    return await app.tools.run(tool, args, call_id="1", emit=lambda body: None)


async def test_things_are_followed_counted_and_shown(tmp_path: Path, walk: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        outcome = await run(app, "track_objects", video=await add(app, walk), target="person")
        found = outcome.result.model_dump()
        clip = await app.artifacts.get(found["clip"])
        shown = Video(await app.artifacts.path(clip.id))
        boxes = (await app.artifacts.path(found["boxes"])).read_text("utf-8").splitlines()
        thumbnail = thumbnails.make(
            await app.artifacts.path(clip.id), clip, tmp_path / "thumbs", longer_edge=128, max_pixels=10**7
        )
        lineage = await app.artifacts.lineage(clip.id)
    track = max(found["tracks"], key=lambda one: one["score"])
    assert (track["id"], track["label"]) == (1, "person")
    assert track["last"][0] - track["first"][0] > 100
    assert found["counts"] == {"person": len(found["tracks"])}
    assert found["counts"]["person"] >= found["most_at_once"]["person"] >= 1
    assert (clip.kind, clip.width, clip.height) == ("video", 640, 360)
    assert shown.info.seconds == pytest.approx(2.0, abs=0.1)
    assert json.loads(boxes[0])["columns"][0] == "seconds"
    assert len(json.loads(boxes[1])["boxes"]) == track["frames"]
    assert [receipt.model for receipt in outcome.receipts] == ["nanodet-416", "bytetrack"]
    assert [model["id"] for model in lineage.models] == ["nanodet-416", "bytetrack"]
    assert f"person: {len(found['tracks'])} in all" in outcome.result.summary()
    assert read_image(thumbnail).size == (128, 72)


async def test_what_no_detector_knows_is_said_so(tmp_path: Path, walk: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(InputError, match="'unicorn' is nothing the model knows"):
            await run(app, "track_objects", video=await add(app, walk), target="unicorn")


async def test_nothing_to_follow_still_gives_an_answer(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "wall.mp4", [grey(120)] * 5)
    async with scripted_app(tmp_path, []) as app:
        outcome = await run(app, "track_objects", video=await add(app, path))
    assert outcome.result.summary() == "No known object could be followed in the video."


async def test_a_body_in_a_picture_and_in_a_video(tmp_path: Path, walk: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        still = await run(app, "track_body", image=await add(app, MEDIA / "astronaut.jpg"), part="all")
        moving = await run(app, "track_body", video=await add(app, walk))
        names = [artifact.name for artifact in (*still.artifacts, *moving.artifacts)]
        lines = (await app.artifacts.path(moving.result.model_dump()["landmarks"])).read_text().splitlines()
    found = still.result.model_dump()
    assert names == ["body.png", "landmarks.jsonl", "body.mp4", "landmarks.jsonl"]
    assert {name: (x, y) for name, x, y, _ in found["people"][0]["landmarks"]}["nose"] == (
        pytest.approx(222, abs=15),
        pytest.approx(135, abs=15),
    )
    assert (found["faces"], found["hands"]) == (1, [])
    assert 0.4 < found["person_share"] < 0.7
    assert "1 person's pose; 1 face; no hands" in still.result.summary()
    assert len(lines) == moving.result.model_dump()["frames"] == 12
    assert len(json.loads(lines[5])["poses"][0]["points"]) == 33


async def test_either_a_picture_or_a_video(tmp_path: Path, walk: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(InputError, match="works on one of image or video"):
            await run(app, "track_body")


async def test_rules_say_that_they_are_rules(tmp_path: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        video = await add(app, MEDIA / "nasa_13013.mp4")
        outcome = await run(app, "recognize_action", video=video)
        with pytest.raises(InputError, match="no rule for 'juggling'"):
            await run(app, "recognize_action", video=video, actions="waving, juggling")
    found = outcome.result.model_dump()
    assert found["how"] == "rules"
    # The man stands on a lift whose rail hides his legs, and is forty px high for most of the clip.
    assert {"lying", "sitting", "falling"}.isdisjoint(found["totals"])
    assert "not by a trained model" in outcome.result.summary()
    assert outcome.receipts[0].model == "pose-rules"
    assert "no trained model" in outcome.receipts[0].note


async def test_an_example_that_shows_nobody(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "wall.mp4", [grey(120)] * 20)
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(MediaError, match="Nobody can be followed in most of the clip"):
            await run(app, "enrol_action", video=await add(app, path), label="nothing")
        with pytest.raises(InputError, match="can't be the name"):
            await run(app, "enrol_action", video=await add(app, path), label="a/b")
    assert ActionStore(tmp_path / "actions").known() == ()


async def test_an_example_that_shows_too_little_of_the_body(tmp_path: Path, walk: Path) -> None:
    async with scripted_app(tmp_path, []) as app:
        with pytest.raises(MediaError, match="Too little of the body"):
            await run(app, "enrol_action", video=await add(app, walk), label="portrait")


async def test_an_action_is_learned_found_listed_and_forgotten(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "any.mp4", [grey(n) for n in range(30)])
    write_script(tmp_path, [])
    with (tmp_path / "catalog.toml").open("a") as catalog:
        catalog.write(FILMED_ENTRY.format(move="kicking", seed=1))
    async with open_app() as app:
        video = await add(app, clip)
        before = await run(app, "recognize_action", video=video)
        learned = await run(app, "enrol_action", video=video, label="high kick")
        asked = await run(app, "recognize_action", video=video, actions="High Kick")
        unasked = await run(app, "recognize_action", video=video)
    assert before.result.summary().startswith("No action it knows was recognised in 3.0 s")
    assert "it has 1 example now" in learned.result.summary()
    for outcome in (asked, unasked):
        (action,) = outcome.result.model_dump()["actions"]
        assert (action["action"], action["learned"]) == ("high kick", True)
        assert action["score"] > 0.9
    listed = CliRunner().invoke(actions, ["list", "--json"])
    assert json.loads(listed.output) == [{"label": "high kick", "examples": 1, "seconds": 3.0}]
    assert CliRunner().invoke(actions, ["remove", "high kick"]).output == "Forgot high kick: 1 example.\n"
    assert "Nothing yet" in CliRunner().invoke(actions, ["list"]).output


def test_clips_are_enrolled_from_the_command_line(tmp_path: Path) -> None:
    clips = [str(write_clip(tmp_path / f"{n}.mp4", [grey(n)] * 20)) for n in (1, 2)]
    write_script(tmp_path, [])
    with (tmp_path / "catalog.toml").open("a") as catalog:
        catalog.write(FILMED_ENTRY.format(move="clapping", seed=1))
    done = CliRunner().invoke(actions, ["enrol", "applause", *clips], standalone_mode=False)
    assert done.output.splitlines()[1].startswith("2.mp4: Learned 'applause' from 2.0 s of video; it has 2 examples")


def test_long_videos_are_looked_at_less_often_and_that_is_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "v.mp4", [grey(1), grey(2)], [0.0, 3600.0])
    video = Video(path, limits=Limits())
    rate, notes = pace(video, 6.0)
    assert rate * video.info.seconds == pytest.approx(MOST_FRAMES)
    assert "only 0.5 frames a second" in notes[0]
