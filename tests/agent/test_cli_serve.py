"""``sensorium serve`` and ``sensorium up``: started, told to stop, and left by one of their own."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from processes import family, first_lines, free_port, sensorium
from scripted_chat import write_script


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_script(tmp_path, [{"when": "endlessly", "answer": "word " * 10_000, "token_seconds": 0.05}])
    return tmp_path


def wait_for(address: str) -> None:
    while True:
        try:
            httpx.get(address, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_api_serves_until_it_is_told_to_stop_even_while_somebody_follows_a_run(home: Path, number: int) -> None:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    with sensorium(home, "serve", "--port", str(port)) as process:
        assert f"http://127.0.0.1:{port}" in first_lines(process, 1)
        wait_for(f"{api}/health")
        thread = httpx.post(f"{api}/threads").json()["id"]
        run = httpx.post(f"{api}/threads/{thread}/runs", json={"message": "Go on endlessly"}).json()["run_id"]
        with httpx.stream("GET", f"{api}/runs/{run}/events", timeout=30) as response:
            next(response.iter_lines())
            process.send_signal(number)
            process.wait(30)
        out, err = process.communicate()
        assert "Traceback" not in out + err


def test_both_come_up_and_go_down_together_without_orphans(home: Path) -> None:
    port, ui_port = free_port(), free_port()
    with sensorium(home, "up", "--port", str(port), "--ui-port", str(ui_port)) as process:
        said = first_lines(process, 2)
        assert f"http://127.0.0.1:{ui_port}" in said
        assert httpx.get(f"http://127.0.0.1:{port}/api/health").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{ui_port}/").status_code == 200
        children = family(process.pid)
        assert len(children) >= 2
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert not [child for child in children if child.is_running()]
    assert (home / "logs" / "api.log").is_file()
    assert (home / "logs" / "page.log").is_file()


def test_when_one_dies_the_other_is_stopped_and_the_log_is_shown(home: Path) -> None:
    with sensorium(home, "up", "--port", str(free_port()), "--ui-port", str(free_port())) as process:
        first_lines(process, 2)
        children = family(process.pid)
        next(child for child in children if "serve" in child.cmdline()).kill()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 5
        assert "The API ended with code -9." in err
        assert "every route at /docs" in err  # its log's last line
        assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize(("command", "option"), [("serve", "--port"), ("up", "--port"), ("up", "--ui-port")])
def test_a_port_that_is_taken_is_one_line(home: Path, command: str, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with sensorium(home, command, option, port) as process:
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert f"Port {port} can't be used" in err
    assert option in err


def test_another_address_than_loopback_is_refused(home: Path) -> None:
    with sensorium(home, "serve", "--host", "0.0.0.0") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert "loopback only" in err
