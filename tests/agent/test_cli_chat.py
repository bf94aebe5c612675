"""``sensorium chat`` and ``sensorium plan`` as a user runs them: real processes, exit codes, Ctrl-C and kill -9."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homes import MEDIA
from scripted_chat import write_script
from slow_sentiment import add_slow_sentiment

SUPPORT = Path(__file__).parents[1] / "support"

RULES: list[dict[str, Any]] = [
    {
        "when": "How many people",
        "calls": [{"tool": "detect_objects", "image": "astronaut.jpg", "target": "person"}],
        "answer": "{results}",
    },
    {"when": "review", "calls": [{"tool": "analyze_sentiment", "text": "Lovely, warm and kind people!"}]},
    {"when": "slowly", "answer": " ".join(["word"] * 200), "token_seconds": 0.1},
    {"when": "Hello", "answer": "Hello, I am Sensorium."},
    {
        "when": "aloud",
        "calls": [
            {"tool": "transcribe_audio", "audio": "jfk.flac"},
            {"tool": "translate", "text": "$1", "target_language": "Spanish"},
            {"tool": "speak", "text": "$2"},
        ],
    },
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_script(tmp_path / "home", RULES)
    return tmp_path / "home"


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *args]


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"SENSORIUM_HOME": str(home), "PYTHONPATH": str(SUPPORT), "COLUMNS": "200"}


def run(home: Path, *args: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), env=environment(home), capture_output=True, text=True, input=given, timeout=120, check=False
    )


def interruptible() -> None:
    """A job in the background of a shell is started deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def lines(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines())


def test_one_turn_prints_the_answer_and_saves_the_picture(home: Path, tmp_path: Path) -> None:
    done = run(home, "chat", "How many people?", "-f", str(MEDIA / "astronaut.jpg"), "--save", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "Found in the picture: 1 person." in done.stdout
    assert "detect_objects" in done.stderr
    assert (tmp_path / "out" / "objects.png").read_bytes().startswith(b"\x89PNG")


def test_json_prints_one_event_a_line(home: Path) -> None:
    done = run(home, "chat", "Hello", "--json")
    events = list(lines(done.stdout))
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("run.started", "run.finished")


def test_a_conversation_reads_lines_and_outlives_a_bad_one(home: Path) -> None:
    done = run(home, "chat", "--thread", "work", given="Hello\n/file nothing.jpg\nHello\nHello\n")
    assert done.returncode == 0
    assert done.stdout.count("I am Sensorium") == 2
    assert "There is no file nothing.jpg" in done.stderr


def test_a_home_that_is_nobody_s_is_no_file(home: Path) -> None:
    done = run(home, "chat", given="/file ~no-such-user/photo.jpg\nHello\nHello\n")
    assert done.returncode == 0
    assert "There is no file ~no-such-user/photo.jpg" in done.stderr
    assert done.stdout.count("I am Sensorium") == 1


def test_the_answer_is_printed_as_the_model_wrote_it(home: Path) -> None:
    write_script(home, [{"when": "ratio", "answer": "It is 1:100:5 [red]."}])
    assert run(home, "chat", "Which ratio?").stdout.strip() == "It is 1:100:5 [red]."


def test_an_input_that_is_no_text_and_one_that_is_closed_end_in_no_trace(home: Path) -> None:
    strict = environment(home) | {"PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(
        command("chat", "-"), env=strict, capture_output=True, input=b"Hello \xff\xfe", timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    closed = " ".join(map(shlex.quote, command("chat", "-"))) + " <&-"
    done = subprocess.run(closed, env=strict, shell=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 2
    assert b"The message is empty." in done.stderr


def test_the_message_may_come_from_a_pipe(home: Path) -> None:
    assert "I am Sensorium" in run(home, "chat", "-", given="Hello").stdout


def test_a_plan_is_shown_and_nothing_is_run(home: Path) -> None:
    done = run(home, "plan", "Read it aloud", "-f", "jfk.flac", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [step["tool"] for step in plan["steps"]] == ["transcribe_audio", "translate", "speak"]
    assert plan["edges"] == [[0, 1], [1, 2]]
    assert not list((home / "artifacts").rglob("*.*"))


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("Hello", "-f", "missing.jpg"), 2, "There is no file missing.jpg."),
        (("Hello", "--model", "gpt-9"), 2, "No model is called 'gpt-9'."),
        (("Hello", "--thread", "../../etc"), 2, "can't name a conversation"),
        (("",), 2, "The message is empty."),
        (("Hello", "--retry"), 2, "--retry needs the conversation."),
        (("Hello", "--retry", "--thread", "work"), 2, "--retry runs the last message again"),
        (("--resume",), 2, "--resume needs the conversation."),
        (("--resume", "--retry", "--thread", "work"), 2, "--retry begins anew and --resume goes on."),
        (("--resume", "--thread", "never-begun"), 2, "There is no conversation 'never-begun'."),
        (("Hello", "-f", "a" * 5_000), 2, "File name too long"),
        (("Hello", "--model", "openai/x"), 3, "SENSORIUM_OPENAI_URL"),
    ],
)
def test_bad_input_is_one_line_and_a_code(home: Path, args: tuple[str, ...], code: int, says: str) -> None:
    done = run(home, "chat", *args)
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.jpg", b"just a text file\n"),
        ("empty.wav", b""),
        ("cut.png", (MEDIA / "astronaut.jpg").read_bytes()[:500]),
    ],
)
def test_files_that_hold_no_media_are_refused(home: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = run(home, "chat", "How many people?", "-f", str(tmp_path / name))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert run(home, "chat", "Hello").returncode == 0


def test_a_message_of_a_megabyte_is_refused(home: Path) -> None:
    done = run(home, "chat", "-", given="x" * 1_000_000)
    assert done.returncode == 2
    assert "1,000,000 characters long" in done.stderr


def test_ctrl_c_stops_the_answer_and_the_next_turn_works(home: Path) -> None:
    with subprocess.Popen(
        command("chat", "Count slowly", "--thread", "work", "--json"),
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509 # nothing else runs in the child yet
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if '"message.delta"' in line:
                process.send_signal(signal.SIGINT)
                break
        assert '"run.cancelled"' in process.stdout.read()
        assert process.wait(timeout=60) == 130
    done = run(home, "chat", "Hello", "--thread", "work")
    assert done.returncode == 0
    assert "I am Sensorium" in done.stdout


def test_kill_9_in_the_middle_of_a_tool_loses_nothing(home: Path) -> None:
    add_slow_sentiment(home)
    with subprocess.Popen(
        command("chat", "Is this review good?", "--thread", "work", "--json"),
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if '"tool.started"' in line:
                process.kill()
                break
        process.wait(timeout=60)
    write_script(home, RULES)  # the quick judge again
    done = run(home, "chat", "--retry", "--thread", "work", "--json")
    events = list(lines(done.stdout))
    assert done.returncode == 0, done.stderr
    assert events[0]["message"] == "Is this review good?"
    assert "positive" in next(event["summary"] for event in events if event["type"] == "tool.finished")
