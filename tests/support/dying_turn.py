"""A turn in a process of its own that is killed (SIGKILL) as it enters or leaves a node of the graph.

Run as ``python dying_turn.py MESSAGE THREAD NODE TIME MOMENT``: at the TIMEth (1, 2 ...) call of NODE, when MOMENT is
``entering`` or ``leaving`` (its work is done, its checkpoint not written). The node ``end`` is where the run's end is
stored, ``ask`` where it is stored that the run waits for its user.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs.orchestrator
from memory.chats import Chats

SUPPORT = Path(__file__).parent


def dying(node: Callable[..., Any], time: int, moment: str) -> Callable[..., Any]:
    """The node, with a time bomb in it."""
    calls = 0

    @functools.wraps(node)
    async def until_death(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        is_time = calls == time
        if is_time and moment == "entering":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await node(*args, **options)
        if is_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return until_death


async def turn(message: str, thread: str) -> None:
    from agent.app import open_app

    async with open_app() as app:
        info = await app.agent.start(message, thread_id=thread)
        async for _ in app.agent.events(info.id):
            pass


def run_and_die(home: Path, message: str, thread: str, node: str, time: int, moment: str) -> None:
    """Returns when the process has been killed. One that lives on to the end is a mistake of the test."""
    environment = os.environ | {"SENSORIUM_HOME": str(home), "PYTHONPATH": f"{SUPPORT}:{SUPPORT.parents[1]}"}
    done = subprocess.run(
        [sys.executable, __file__, message, thread, node, str(time), moment],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{done.returncode} {done.stderr}"


def main(message: str, thread: str, node: str, time: str, moment: str) -> None:
    stored = {"end": "finish_run", "ask": "pause_run"}
    where, name = (Chats, stored[node]) if node in stored else (graphs.orchestrator, node)
    setattr(where, name, dying(getattr(where, name), int(time), moment))
    asyncio.run(turn(message, thread))


if __name__ == "__main__":
    main(*sys.argv[1:])
