"""``sensorium`` as a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SUPPORT = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sensorium(home: Path, *args: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """``more`` is added to the environment. Nothing of it is left afterwards, whatever the test did."""
    environment = {
        **os.environ,
        "SENSORIUM_HOME": str(home),
        "PYTHONPATH": str(SUPPORT),
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", *args],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for orphan in [*family(process.pid), process]:
            orphan.kill()
        process.communicate()


def family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def first_lines(process: subprocess.Popen[str], count: int) -> str:
    assert process.stdout
    return "".join(process.stdout.readline() for _ in range(count))
