"""``sensorium artifacts`` as a user runs it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click
import pytest
from homes import MEDIA, turn
from PIL import Image
from scripted_chat import write_script

from agent.app import open_app
from agent.cli import cli
from engines.errors import InputError, NotFoundError, SensoriumError
from memory.artifact_types import Lineage

pytest.importorskip("ncnn", reason="needs the extra vision")

RULES: list[dict[str, Any]] = [
    {"when": "Enlarge", "calls": [{"tool": "upscale_image", "image": "chelsea.jpg"}], "answer": "Here."},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    write_script(tmp_path, RULES)
    return tmp_path


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]):
    """A command's exit code, what it wrote to stdout, and what to stderr."""

    def running(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(args=["artifacts", *args], standalone_mode=False)
        return code or 0, *capsys.readouterr()

    return running


def in_app(work) -> Any:
    import asyncio

    async def inside() -> Any:
        async with open_app() as app:
            return await work(app)

    return asyncio.run(inside())


@pytest.fixture
def made(home: Path) -> dict[str, str]:
    """A small picture, an enlargement of it that no conversation names, and a note; ids by name."""

    async def make(app) -> dict[str, str]:
        buffer = io.BytesIO()
        Image.radial_gradient("L").resize((20, 20)).save(buffer, "PNG")
        dot = await app.artifacts.add_bytes(buffer.getvalue(), name="dot.png", lineage=Lineage(tool="upload"))
        outcome = await app.tools.run("upscale_image", {"image": dot.id}, call_id="c", emit=lambda body: None)
        note = await app.artifacts.add_bytes(b"a note", name="note.txt", lineage=Lineage(tool="upload"))
        return {"dot": dot.id, "large": outcome.artifacts[0].id, "note": note.id}

    return in_app(make)


def test_the_list_says_what_is_kept_and_how_much(run, made) -> None:
    code, out, said = run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "id",
        *(made[name][:12] for name in ("note", "large", "dot")),
    ]
    assert said.startswith("3 artifacts, ")
    assert "note.txt" not in run("list", "--kind", "image")[1]
    data = json.loads(run("list", "--json", "--limit", "1")[1])
    assert [ref["id"] for ref in data["artifacts"]] == [made["note"]]
    assert data["used"]["artifacts"] == 3


def test_an_artifact_is_shown_and_saved_by_the_beginning_of_its_id(run, made, tmp_path: Path) -> None:
    _, out, said = run("show", made["note"][:8], "--save", str(tmp_path / "saved"))
    assert made["note"] in out
    assert "note.txt" in out
    assert (tmp_path / "saved" / "note.txt").read_bytes() == b"a note"
    assert "Saved" in said
    data = json.loads(run("show", made["large"], "--json")[1])
    assert (data["lineage"]["tool"], data["lineage"]["parents"]) == ("upscale_image", [made["dot"]])
    for unknown in ("zzz", "%", ""):
        with pytest.raises(NotFoundError, match="There is no artifact"):
            run("show", unknown)


def test_the_lineage_is_a_tree_up_and_down(run, made) -> None:
    _, above, _ = run("lineage", made["large"])
    lines = above.splitlines()
    assert [line.lstrip("└─ ").split()[0].split("(")[0] for line in lines] == [
        lines[0].split()[0],
        "upscale_image",
        "dot.png",
    ]
    assert f"image={made['dot']}"[:30] in above
    assert "realesr-animevideov3-x4 " in above
    _, below, _ = run("lineage", made["dot"])
    assert "what was made of it" in below
    assert made["large"][:12] in below
    graph = json.loads(run("lineage", made["dot"], "--json")[1])
    assert {edge["source"] for edge in graph["edges"]} == {made["dot"], "c"}


def test_a_replay_compares_and_says_what_it_would_do(run, made) -> None:
    code, out, _ = run("replay", made["large"], "--check")
    assert (code, "The same to the byte." in out) == (0, True)
    code, out, _ = run("replay", made["large"], "--dry-run")
    assert (code, out.splitlines()[-1]) == (0, "It can be made again.")
    data = json.loads(run("replay", made["large"], "--json")[1])
    assert (data["original"]["id"], data["comparison"]["identical"]) == (made["large"], True)
    with pytest.raises(InputError, match="was uploaded"):
        run("replay", made["note"])


def test_a_replay_that_differs_ends_with_its_own_exit_code(run, made) -> None:
    async def spoil(app) -> str:
        lineage = await app.artifacts.lineage(made["large"])
        name = (await app.artifacts.get(made["large"])).name
        return (await app.artifacts.add_file(MEDIA / "chelsea.jpg", name=name, lineage=lineage)).id

    other = in_app(spoil)
    assert run("replay", other)[0] == 0
    code, out, _ = run("replay", other, "--check")
    assert code == 1
    assert "this has 80 x 80 px" in out


def test_garbage_is_what_no_conversation_names(run, made) -> None:
    _, out, said = run("gc")
    assert (out, said) == ("", "Removed 0 artifacts, 0 B.\n")  # all of it is young
    in_app(lambda app: turn(app, "Enlarge", "chelsea.jpg"))
    code, out, said = run("gc", "--dry-run", "--older-than", "0m")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {id_[:12] for id_ in made.values()}
    assert said.startswith("Would remove 3 artifacts, ")
    assert json.loads(run("gc", "--older-than", "0m", "--json")[1])["dry_run"] is False
    left = json.loads(run("list", "--json")[1])["artifacts"]
    assert {ref["name"] for ref in left} > {"chelsea.jpg"}
    assert len(left) == 2


@pytest.mark.parametrize("age", ["7", "d", "-1d", "7 years", "9" * 400 + "d"])
def test_an_age_is_a_number_and_a_unit(run, age: str) -> None:
    with pytest.raises(click.BadParameter, match="write 30m, 12h, 7d or 2w"):
        run("gc", f"--older-than={age}")


def test_what_is_needed_is_deleted_only_when_one_insists(run, made) -> None:
    with pytest.raises(InputError, match=r"dot\.png is needed by the lineage of"):
        run("delete", made["note"], made["dot"])
    assert len(json.loads(run("list", "--json")[1])["artifacts"]) == 3
    run("delete", made["note"])
    run("delete", made["dot"], "--force")
    _, out, _ = run("lineage", made["large"])
    assert f"{made['dot'][:12]} deleted" in out
    attached = in_app(lambda app: turn(app, "Enlarge", "chelsea.jpg"))[0].body.attachments[0].id
    with pytest.raises(InputError, match="needed by a conversation"):
        run("delete", attached)


def test_over_the_quota_the_way_out_is_named(run, made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_MAX_ARTIFACTS", "3")
    with pytest.raises(SensoriumError, match="3 artifacts are kept, and 3 are allowed") as refused:
        run("replay", made["large"])
    assert "sensorium artifacts gc" in refused.value.fix
    assert run("list")[2].startswith("3 of 3 artifacts")
