"""Which chat model answers a turn, and why: points for facts, by the policy in `switcher.toml`. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.need import Need
from agent.policy import policy
from engines.catalog import ChatFacts
from engines.text.languages import language_name

Where = Literal["here", "server", "far"]

#: Below this many points nothing is said for a change: it would be a change for its own sake.
_WORTH_SAYING = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chat model that could answer now, with what is known of it and of its state."""

    id: str
    title: str
    facts: ChatFacts = field(default_factory=ChatFacts)
    where: Where = "here"
    """far: on a server on another machine."""
    is_usual: bool = False
    """The one that is used when nothing speaks for another."""
    loaded: bool = True
    memory_mb: int = 0
    fits: bool = True
    """In the memory that is free."""
    failures: int = 0
    """In a row, up to now."""
    resting_seconds: float = 0.0
    """It has failed so often that it is left alone for so long."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``reason`` is a sentence for the user; empty: it is the usual model, and nothing is to be said."""

    model: str
    reason: str = ""
    ranking: tuple[str, ...] = ()
    """The others, the next best first."""


def choose(need: Need, candidates: Sequence[Candidate], *, besides: Sequence[str] = ()) -> Choice | None:
    """The best of the candidates; None: there is none. ``besides``: ids that have failed in this very turn."""
    ranked = rank(need, [each for each in candidates if each.id not in besides])
    if not ranked:
        return None
    best = ranked[0]
    usual = next((each for each in candidates if each.is_usual), None)
    others = tuple(each.id for each in ranked[1:])
    if best.is_usual or usual is None or usual.id in besides:
        return Choice(best.id, "", others)
    return Choice(best.id, f"{best.title} answers this turn: {_why(need, best, usual)}", others)


def rank(need: Need, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best first. Those that are left alone come last, in case there is nothing else."""
    return sorted(candidates, key=lambda each: (each.resting_seconds > 0, -points(need, each), each.id))


def points(need: Need, model: Candidate) -> float:
    """From 100 down."""
    return 100.0 - sum(_minus(need, model).values())


def _minus(need: Need, model: Candidate) -> dict[str, float]:
    """What speaks against a model, by name."""
    cost: Mapping[str, float] = policy()["points"]
    facts = model.facts
    gap = need.skill - facts.skill
    minus = {
        "sight": cost["cannot_see"] * (need.vision and not facts.vision),
        "length": cost["too_short"] * _missing_share(need, facts),
        "language": cost["other_language"] * (not _knows(facts, need.language)),
        "skill": cost["lacks_skill"] * max(gap, 0),
        "size": cost["too_much_skill"] * max(-gap, 0),
        "tools": cost["cannot_plan"] * (need.tools and not facts.plans),
        "code": cost["only_code"] * (facts.only_code and not need.code),
        "room": cost["no_room"] * (not model.fits),
        "failures": cost["failed_lately"] * model.failures,
        "place": {"here": 0.0, "server": cost["on_a_server"], "far": cost["far_away"]}[model.where],
        "usual": -cost["is_usual"] * model.is_usual,
    }
    if model.where == "here" and not model.loaded:
        minus["loading"] = cost["not_loaded"] + cost["not_loaded_per_gb"] * model.memory_mb / 1000
    return minus


def _missing_share(need: Need, facts: ChatFacts) -> float:
    """How much of what is to be read does not fit, in 0..1."""
    window: int = facts.context_tokens or policy()["context"]["unknown_tokens"]
    return max(0.0, 1.0 - window / max(1, need.context_tokens))


def _window(model: Candidate) -> str:
    return f"{model.facts.context_tokens:,}" if model.facts.context_tokens else "fewer, as far as is known"


def _knows(facts: ChatFacts, language: str | None) -> bool:
    return language is None or not facts.languages or language in facts.languages


def _why(need: Need, best: Candidate, usual: Candidate) -> str:
    """The thing that speaks most for the one against the other, as the end of a sentence."""
    if usual.resting_seconds:
        return f"{usual.title} has failed {usual.failures} times in a row and is left alone for a while."
    ours, theirs = _minus(need, best), _minus(need, usual)
    gains = {name: minus - ours.get(name, 0.0) for name, minus in theirs.items()}
    name = max(gains, key=lambda each: gains[each])
    if gains[name] < _WORTH_SAYING:  # it has the same points, and comes first by its name
        return f"{usual.title} is the only other one, and nothing speaks for it."
    return _SENTENCES[name](need, usual)


_SENTENCES: Mapping[str, Callable[[Need, Candidate], str]] = {
    "sight": lambda _, usual: f"there is a picture to look at, and {usual.title} can't see.",
    "length": lambda need, usual: (
        f"about {need.context_tokens:,} tokens have to be read, and {usual.title} takes {_window(usual)}."
    ),
    "language": lambda need, usual: (
        f"the message is in {language_name(need.language or '')}, which {usual.title} is not good at."
    ),
    "skill": lambda need, _: (
        "it takes several steps, and this is the stronger planner."
        if need.tools and need.difficulty != "hard"
        else "the request looks hard, and this is the stronger model."
        if need.difficulty == "hard"
        else "the request takes some knowledge, and this is the stronger model."
    ),
    "size": lambda *_: "the request is easy, and this is the quicker model.",
    "tools": lambda _, usual: f"tools are asked for, and {usual.title} can't choose them.",
    "code": lambda _, usual: f"{usual.title} was made for code.",
    "room": lambda _, usual: f"{usual.title} does not fit in the memory that is free.",
    "failures": lambda _, usual: f"{usual.title} has just failed.",
    "loading": lambda _, usual: f"{usual.title} would have to be loaded first.",
    "place": lambda _, usual: f"{usual.title} is on a server.",
    "usual": lambda *_: "",
}
