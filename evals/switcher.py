"""How often does the auto-switcher take a model that a person would? ``python -m evals.switcher``

`switcher.toml` holds requests, each with what is on offer in its situation and every choice that is right. Nothing is
loaded and no model is asked: models stand there as facts. A row's ``set`` says what it is for: the policy was tuned on
those without one; "held out" was written with them and not looked at; "other words" was written afterwards, without the
words of the policy.
"""

from __future__ import annotations

import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from agent.need import need_of
from agent.switcher import Candidate, choose
from engines.catalog import Catalog, ChatFacts
from engines.errors import InputError
from engines.text.chat_facts import facts_by_name
from graphs.turn_facts import TurnFacts

DATA = Path(__file__).with_name("switcher.toml")

TUNED = "tuned on"

Row = Mapping[str, Any]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=DATA)
@click.option("--wrong", is_flag=True, help="Also show each request that went to another model.")
def main(data: Path, wrong: bool) -> None:
    """Print the accuracy by set and need."""
    table = tomllib.loads(data.read_text("utf-8"))
    offers = {name: [_candidate(model) for model in models] for name, models in table["situation"].items()}
    sets: dict[str, list[Row]] = defaultdict(list)
    for row in table["request"]:
        sets[row.get("set", TUNED)].append(row)
    for name, rows in sets.items():
        click.echo(f"{name.capitalize()}: {len(rows)} requests")
        _report(rows, offers, show=wrong)


def _report(rows: Sequence[Row], offers: Mapping[str, Sequence[Candidate]], *, show: bool) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    usual: list[bool] = []
    started = time.perf_counter()
    for row in rows:
        models = offers[row["offer"]]
        chosen = choose_for(row, models)
        fits = chosen in row["right"]
        right[row["need"]].append(fits)
        usual.append(any(model.is_usual and model.id in row["right"] for model in models))
        if show and not fits:
            click.echo(f"  {row['need']}: {row['message'][:70]!r} went to {chosen}, not {' or '.join(row['right'])}")
    seconds = time.perf_counter() - started
    for need, found in right.items():
        click.echo(f"  {need:<12} {_share(found)}")
    click.echo(f"  {'all':<12} {_share([each for found in right.values() for each in found])}")
    click.echo(f"  {'always the usual model':<12} {_share(usual)}")
    click.echo(f"  {1000 * seconds / max(1, len(rows)):.2f} ms a choice")


def choose_for(row: Row, models: Sequence[Candidate]) -> str:
    """The id of the model that the switcher takes."""
    message = row["message"] * row.get("times", 1)
    facts = TurnFacts(
        message,
        tuple(row.get("kinds", ())),
        row.get("language", "en"),
        row.get("text_chars", 0),
        row.get("history_chars", 0),
    )
    choice = choose(need_of(facts), models)
    if choice is None:
        raise InputError(f"Nothing is on offer for {row['message'][:40]!r}.", fix="Correct the situation.")
    return choice.model


def _candidate(row: Mapping[str, Any]) -> Candidate:
    """``id`` is a catalog entry's or one on a server, whose facts its name tells; the rest is its state."""
    state = {key: value for key, value in row.items() if key not in ("id", "context_tokens")}
    facts = _facts(row["id"])
    if window := row.get("context_tokens"):
        facts = facts.model_copy(update={"context_tokens": window})
    return Candidate(row["id"], row["id"], facts, **state)


def _facts(model: str) -> ChatFacts:
    return facts_by_name(model.partition("/")[2]) if "/" in model else Catalog.load().get(model).chat or ChatFacts()


def _share(found: Sequence[bool]) -> str:
    return f"{sum(found):>3} of {len(found):<3} {100 * sum(found) / max(1, len(found)):5.1f} %"


if __name__ == "__main__":
    main()
