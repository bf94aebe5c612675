"""How fast an embedded chat model reads and writes, what a warm prefix saves, and what it takes in memory.

    python -m benchmarks.llm [--model ID] [--threads 2] [--rounds 3] [--json]

The model must have been pulled. The middle of the rounds counts, in seconds on the wall and of CPU: on a machine that
does other work the two part, and CPU is the one to compare.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.loading import LoadContext
from engines.protocols import ChatReply, ChatRequest, ChatTurn
from engines.text.llm import LlamaCpp
from engines.weights import WeightStore

RULES = 40
WRITTEN_TOKENS = 64


@dataclass(frozen=True)
class Took:
    """``wall`` and ``cpu`` in seconds; ``first`` until the first token."""

    reply: ChatReply
    first: float
    wall: float
    cpu: float

    @property
    def writing(self) -> float:
        """Tokens per second after the first."""
        return (self.reply.completion_tokens - 1) / max(self.wall - self.first, 1e-9)


def prompt(lane: str, number: int, question: str) -> list[ChatTurn]:
    """A prefix of about 700 tokens that differs from round to round and from lane to lane, and a short question."""
    rules = " ".join(f"Rule {rule} of {lane} round {number}: never act twice." for rule in range(RULES))
    return [ChatTurn("system", rules), ChatTurn("user", question)]


def ask(engine: LlamaCpp, turns: list[ChatTurn], *, lane: str, max_tokens: int) -> Took:
    first: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()

    def token(_: str) -> None:
        if not first:
            first.append(time.perf_counter() - began)

    reply = engine.complete(ChatRequest(turns, max_tokens=max_tokens, lane=lane), on_token=token)
    wall = time.perf_counter() - began
    return Took(reply, first[0] if first else wall, wall, time.process_time() - cpu)


def measure(load: Callable[[], LlamaCpp], rounds: int) -> dict[str, float]:
    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    engine = load()
    loaded = time.perf_counter() - began
    cold, warm, other, back, written = [], [], [], [], []
    try:
        for number in range(rounds):
            cold.append(ask(engine, prompt("plan", number, "One?"), lane="plan", max_tokens=1))
            other.append(ask(engine, prompt("respond", number, "Two?"), lane="respond", max_tokens=1))
            warm.append(ask(engine, prompt("plan", number, "Three?"), lane="plan", max_tokens=1))
            ask(engine, prompt("elsewhere", number, "Four?"), lane="respond", max_tokens=1)
            back.append(ask(engine, prompt("respond", number, "Five?"), lane="respond", max_tokens=1))
            story = [ChatTurn("user", f"Count from {number} to one hundred in words.")]
            written.append(ask(engine, story, lane="respond", max_tokens=WRITTEN_TOKENS))
        resident = process.memory_info().rss
    finally:
        engine.close()
    middle = statistics.median
    cold += other
    return {
        "load, s": loaded,
        "memory while it works, MB": (resident - before) / 1e6,
        "memory left after close, MB": (process.memory_info().rss - before) / 1e6,
        "prompt, tokens": middle(took.reply.prompt_tokens for took in cold),
        "reading, tokens/s": middle(took.reply.prompt_tokens / took.first for took in cold),
        "reading, CPU s per 1000 tokens": middle(1000 * took.cpu / took.reply.prompt_tokens for took in cold),
        "first token, cold prefix, s": middle(took.first for took in cold),
        "first token, warm prefix, s": middle(took.first for took in warm),
        "first token, prefix back from memory, s": middle(took.first for took in back),
        "tokens taken from the slot when warm": middle(took.reply.cached_tokens for took in warm),
        "tokens taken back from memory": middle(took.reply.cached_tokens for took in back),
        "writing, tokens/s": middle(took.writing for took in written),
        "writing, CPU s per 100 tokens": middle(100 * took.cpu / took.reply.completion_tokens for took in written),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a chat model's id; the default one without it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models-dir", type=Path, help="where the models are; the user's folder without it")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    entry = Catalog.load().resolve("chat", asked.model)
    folder = WeightStore(asked.models_dir or load_settings().models_dir).require(entry)
    figures = measure(lambda: LlamaCpp(LoadContext(entry, folder, threads=asked.threads)), asked.rounds)
    if asked.json:
        print(json.dumps({"model": entry.id, "threads": asked.threads} | figures))
        return
    print(f"{entry.title}, {asked.threads} threads")
    for name, value in figures.items():
        print(f"{value:10.2f}  {name}")


if __name__ == "__main__":
    main()
