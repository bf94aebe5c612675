"""The planner: a parser that knows the tools by training answers when it is sure; else the chat model plans.

Whoever made it, a plan is proved before anything runs (`graphs.plan.faults`). What fails is mended (`graphs.repair`),
asked of the chat model once more with what was wrong, or becomes a question to the user.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Literal

from langchain_core.language_models import BaseChatModel

from engines.catalog import Planning
from engines.errors import PlanError
from graphs.chat_planner import ChatPlanner
from graphs.multiples import with_multiples
from graphs.native_planner import NativePlanner
from graphs.ordinals import with_ordinals
from graphs.parser import Guess
from graphs.plan import Offer, Plan, Request, problems
from graphs.repair import Repair, ask, needs
from graphs.schema import Choices
from graphs.tuned_planner import LEARNED, LONGEST, TunedPlanner
from memory.events import Usage
from tools.spec import ToolSpec
from tools.types import MediaKind

logger = logging.getLogger(__name__)

Means = Literal["auto", "parser", "chat"]

#: Given a request, the likeliest plans, best first; empty: there is no parser, or nothing that it can read.
Guesser = Callable[[Request], Awaitable[Sequence[Guess]]]

#: How sure the parser must be that a request is about media that are not there, before the user is asked for them.
_SURE_OF_ABSENT = 0.85

_ABSENT: Mapping[MediaKind, str] = {"image": "?image", "audio": "?audio", "video": "?video"}
"""Names of media that nobody attached, to see whether the request is about them."""


#: Words that say something: short ones stand in every sentence.
_WORD = re.compile(r"[^\W\d_]{4,}")
_PURPOSE_WORDS = 2


def _stem(word: str) -> str:
    """``colours`` and ``coloured`` begin alike."""
    return word[:5]


class Planner:
    """Makes plans by the parser, the chat model, or whichever is surer.

    ``sure``: the parser's certainty from which on the chat model isn't asked.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec],
        choices: Choices,
        *,
        guess: Guesser | None = None,
        means: Means = "auto",
        sure: float = 0.8,
    ) -> None:
        self._tools: Mapping[str, ToolSpec] = {spec.name: spec for spec in tools}
        self._chat = ChatPlanner(tools, choices)
        self._repair = Repair(self._tools, choices)
        self._native = NativePlanner(tools, choices)
        self._tuned = TunedPlanner(tools, choices)
        self._guess = guess if means != "chat" else None
        self._sure = sure if means == "auto" else 0.0

    async def plan(self, request: Request, model: BaseChatModel) -> tuple[Plan, Usage]:
        """Raises PlanError when the model keeps to no schema, EngineError when it breaks."""
        if request.done:  # who learned to plan did not learn to think again
            return await self._by_chat(request, model)
        guesses = await self._guess(request) if self._guess else ()
        if guesses and self._calls_for(guesses[0].unknown, request.message):
            return await self._by_chat(request, model)
        if question := await self._about_absent_media(request, guesses):
            return ask(question), Usage()
        if guesses and guesses[0].certainty >= self._sure:
            mended = self._repair.mended(Plan(steps=guesses[0].steps), request)
            if mended is not None:
                return self._finished(mended, request), Usage()
        return await self._by_chat(request, model, is_usual=True)

    def _calls_for(self, tools: Collection[str], message: str) -> bool:
        """Whether the message may be about one of some tools: it has a word of its name, or two of its purpose."""
        said = {_stem(word) for word in _WORD.findall(message.lower())}
        for name in tools:
            named = {_stem(word) for word in name.split("_")}
            purpose = {_stem(word) for word in _WORD.findall(self._tools[name].purpose.lower())}
            if named & said or len(purpose & said) >= _PURPOSE_WORDS:
                return True
        return False

    async def _by_chat(self, request: Request, model: BaseChatModel, *, is_usual: bool = False) -> tuple[Plan, Usage]:
        """``is_usual``: a request as they are before anything has run, for tools that the parser knows too."""
        plan, usage = await (self._by_tuned(request, model) if is_usual else self._asked(request, model))
        mended = self._repair.mended(plan, request)
        if mended is None:
            wrong = problems(plan, request.offers, self._tools)
            plan, again = await self._asked(request, model, wrong="\n".join(wrong))
            usage = usage.plus(again)
            mended = self._repair.mended(plan, request)
        if mended is None:
            mended = ask("I could not work out what to do with that. Could you say it in other words?")
        return self._finished(mended, request), usage

    def _finished(self, plan: Plan, request: Request) -> Plan:
        counted = with_ordinals(with_multiples(plan, request.message, self._tools), request, self._tools)
        return _with_unused(counted, request)

    async def _by_tuned(self, request: Request, model: BaseChatModel) -> tuple[Plan, Usage]:
        """By weights tuned to plan, where the model has them and they have learned what is asked for."""
        unlearned = self._tools.keys() - LEARNED
        may = len(request.message) <= LONGEST and not self._calls_for(unlearned, request.message)
        if may and getattr(model, "planning", "") == "lines":
            try:
                return await self._tuned.plan(request, model)
            except PlanError as error:  # it ran on, or another model has taken over
                logger.info("asked in words: %s", error)
        return await self._asked(request, model)

    async def _asked(self, request: Request, model: BaseChatModel, *, wrong: str = "") -> tuple[Plan, Usage]:
        """By the means that the model is said to be good at; a stranger's model is held to the schema."""
        planning: Planning = getattr(model, "planning", "schema")
        if planning == "tools":
            return await self._native.plan(request, model, wrong=wrong)
        return await self._chat.plan(request, model, constrained=planning != "text", wrong=wrong)

    async def _about_absent_media(self, request: Request, guesses: Sequence[Guess]) -> str:
        """The question for media that the request is about and that nobody attached; empty: it is about none."""
        if not self._guess or not guesses or guesses[0].steps:
            return ""
        there = {offer.kind for offer in request.offers}
        absent = [Offer(name, kind, "", is_file=True) for kind, name in _ABSENT.items() if kind not in there]
        if not absent:
            return ""
        found = await self._guess(Request(request.message, [*request.offers, *absent], request.before))
        if not found or found[0].certainty < _SURE_OF_ABSENT:
            return ""
        for step in found[0].steps:
            spec = self._tools[step.tool]
            for name, value in step.args.items():
                if value in _ABSENT.values():
                    return needs(spec, spec.media_parameters[name])
        return ""


def _with_unused(plan: Plan, request: Request) -> Plan:
    """Attachments that the plan leaves alone are named, for the user. Texts are read by the answering model."""
    used = {value for step in plan.steps for value in step.args.values()}
    new = [offer for offer in request.offers if not offer.earlier and offer.kind != "text"]
    unused = [f"Not used: {offer.name}." for offer in new if plan.steps and offer.name not in used]
    return plan.model_copy(update={"notes": (*plan.notes, *unused)})
