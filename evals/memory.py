"""Does memory find what was said? ``python -m evals.memory --data QUESTIONS --turns TURNS``

Every conversation's turns are kept as memories of an owner of its own, each with the two turns before and after it as
its context, and searched as the product searches. A question counts at *k* when all the turns that hold its answer
are among the first *k* found (evidence recall). Questions without such turns are left out.

QUESTIONS: JSON lines ``{"conv", "question", "evidence": [dia_id, ...], "category_name"}``; TURNS: JSON lines
``{"conv", "session", "date", "dia_id", "speaker", "text", "image_caption"}``, in order.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.app import open_app
from engines.errors import InputError, SensoriumError
from evals.rows import read_rows
from memory.database import Database
from memory.longterm.embedding import LentEmbedder
from memory.longterm.memories import Memories
from memory.longterm.types import NewMemory
from memory.longterm.vectors import Vectors

CUTS = (5, 10, 20)

#: Turns before and after one that are kept as its context.
AROUND = 2

_DATES = ("%I:%M %p on %d %B, %Y", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")


@dataclass
class Tally:
    """Of how many questions all the evidence was found, at each cut."""

    questions: int = 0
    found: dict[int, int] = field(default_factory=lambda: dict.fromkeys(CUTS, 0))

    def count(self, evidence: Iterable[str], ranked: Sequence[str]) -> None:
        self.questions += 1
        for cut in CUTS:
            self.found[cut] += set(evidence) <= set(ranked[:cut])

    def recall(self) -> dict[str, float]:
        """In percent, by ``"@5"``, ``"@10"`` ..."""
        return {f"@{cut}": round(100 * self.found[cut] / max(1, self.questions), 1) for cut in CUTS}


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--turns", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--conversations", type=click.IntRange(min=1), help="Only the first so many.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def main(data: Path, turns: Path, conversations: int | None, as_json: bool) -> None:
    """Search every question of --data in the conversations of --turns, and print the evidence recall."""
    try:
        spoken = _by_conversation(read_rows(turns), conversations)
        asked = _by_conversation((row for row in read_rows(data) if row["evidence"]), None)
        result = asyncio.run(measure(spoken, asked))
    except SensoriumError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(result, indent=2) if as_json else _table(result))


@dataclass
class Measured:
    """All questions together, and by kind of question and by conversation."""

    total: Tally = field(default_factory=Tally)
    by_category: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    by_conversation: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    cpu_seconds: float = 0.0

    def count(self, row: Mapping[str, Any], ranked: Sequence[str]) -> None:
        for tally in (self.total, self.by_category[row.get("category_name", "")], self.by_conversation[row["conv"]]):
            tally.count(row["evidence"], ranked)

    def as_json(self) -> dict[str, Any]:
        return {
            **_row(self.total),
            "cpu_ms_per_question": round(1000 * self.cpu_seconds / max(1, self.total.questions), 1),
            "by_category": {name: _row(tally) for name, tally in self.by_category.items()},
            "by_conversation": {name: _row(tally) for name, tally in self.by_conversation.items()},
        }


async def measure(
    spoken: Mapping[str, Sequence[Mapping[str, Any]]], asked: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Recall over all, by kind of question and by conversation, and CPU milliseconds a question."""
    measured = Measured()
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        database = await Database.open(f"sqlite:///{folder}/memory.db")
        stack.push_async_callback(database.close)
        vectors = Vectors(Path(folder))
        stack.push_async_callback(vectors.close)
        for conversation, turns in spoken.items():
            memories = Memories(database, f"conversation-{conversation}", vectors, LentEmbedder(app.controller))
            await _search_all(memories, turns, asked.get(conversation, ()), measured)
            memories.close()
            click.echo(f"{measured.total.questions} questions so far: {measured.total.recall()}", err=True)
    return measured.as_json()


async def _search_all(
    memories: Memories, turns: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]], measured: Measured
) -> None:
    ids = await _keep(memories, turns)
    await memories.search("warm", 1)
    for row in asked:
        started = time.process_time()
        hits = await memories.search(row["question"], max(CUTS))
        measured.cpu_seconds += time.process_time() - started
        measured.count(row, [ids[hit.memory.id] for hit in hits])


async def _keep(memories: Memories, turns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Memory's id -> the turn's."""
    started = time.process_time()
    kept = await memories.add_all([_as_memory(turns, index) for index in range(len(turns))])
    await memories.catch_up()
    if memories.trouble:
        raise InputError(f"Nothing can be measured without vectors. {memories.trouble}")
    click.echo(f"{len(kept)} turns kept and indexed in {time.process_time() - started:.0f} CPU-s", err=True)
    return {memory.id: turn["dia_id"] for memory, turn in zip(kept, turns, strict=True)}


def _as_memory(turns: Sequence[Mapping[str, Any]], index: int) -> NewMemory:
    turn = turns[index]
    around = range(max(0, index - AROUND), min(len(turns), index + AROUND + 1))
    context = [_line(turns[at]) for at in around if at != index and turns[at]["session"] == turn["session"]]
    return NewMemory(
        text=_said(turn), kind="episode", about=turn["speaker"], context="\n".join(context), said_at=_date(turn["date"])
    )


def _said(turn: Mapping[str, Any]) -> str:
    return f"{turn['text']} [{turn['image_caption']}]" if turn.get("image_caption") else str(turn["text"])


def _line(turn: Mapping[str, Any]) -> str:
    return f"{turn['speaker']}: {_said(turn)}"


def _date(text: str) -> datetime:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise InputError(f"{text!r} is no date that is known here.", fix="Write it like 1:56 pm on 8 May, 2023.")


def _by_conversation(rows: Iterable[dict[str, Any]], limit: int | None) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["conv"] in grouped or limit is None or len(grouped) < limit:
            grouped.setdefault(row["conv"], []).append(row)
    return grouped


def _row(tally: Tally) -> dict[str, Any]:
    return {"questions": tally.questions, "recall": tally.recall()}


def _table(result: Mapping[str, Any]) -> str:
    lines = [f"{'':28}{'questions':>9}" + "".join(f"{f'@{cut}':>8}" for cut in CUTS)]
    groups = {"all": result, **result["by_category"], **result["by_conversation"]}
    for name, row in groups.items():
        lines.append(f"{name:28}{row['questions']:>9}" + "".join(f"{value:>8}" for value in row["recall"].values()))
    return "\n".join([*lines, f"{result['cpu_ms_per_question']} CPU-ms a question"])


if __name__ == "__main__":
    main()
