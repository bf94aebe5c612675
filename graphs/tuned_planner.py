"""Planning by a chat model that was tuned to write plans as lines (`graphs.plan_lines`): one short completion.

It knows the tools by training, so no prompt has to tell them: a hundred tokens are read where `graphs.chat_planner`
needs thousands. What it has not learned (tools of installed packages, thinking again after a step failed) it is not
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from engines.errors import PlanError
from engines.text.structured import with_call_options
from graphs.asking import require_whole, with_usage_of
from graphs.parser import in_tools_words
from graphs.plan import Plan, Request
from graphs.plan_lines import SYSTEM, asked, grammar, understood
from graphs.schema import Choices
from memory.events import PlannedStep, Usage
from tools.spec import ToolSpec

ADAPTER = "plan"
"""The name of the tuned weights among a chat model's adapters."""
LEARNED = frozenset(
    {
        *("detect_objects", "classify_image", "caption_image", "read_text", "segment_image", "estimate_depth"),
        *("generate_image", "edit_image", "upscale_image", "controlnet_image", "track_objects", "track_body"),
        *("recognize_action", "enrol_action", "transcribe_audio", "detect_speech", "speak", "clone_voice"),
        *("convert_voice", "translate", "analyze_sentiment", "detect_emotion", "detect_language"),
        *("remember", "forget"),
    }
)
"""The tools that stand in the requests it was tuned on."""
LONGEST = 1500
"""Characters of a message: it was tuned on shorter ones."""
_MAX_TOKENS = 400


class TunedPlanner:
    """Makes plans with an embedded chat model that has the adapter `ADAPTER`."""

    def __init__(self, tools: Sequence[ToolSpec], choices: Choices) -> None:
        self._tools = {spec.name: spec for spec in tools}
        self._choices = choices

    async def plan(self, request: Request, model: BaseChatModel) -> tuple[Plan, Usage]:
        """Raises PlanError when the calls were cut off, or are none."""
        lines = with_call_options(
            model,
            model,
            lane="plan",
            adapter=ADAPTER,
            grammar=grammar(self._tools.values(), request.offers),
            max_tokens=_MAX_TOKENS,
        )
        reply = await lines.ainvoke([SystemMessage(SYSTEM), HumanMessage(asked(request.message, request.offers))])
        require_whole(reply, is_plan=True)
        calls = understood(reply.text, request.offers)
        steps = (self._step(f"${number}", tool, args) for number, (tool, args) in enumerate(calls, 1))
        return Plan(steps=tuple(steps)), with_usage_of(Usage(), reply)

    def _step(self, id: str, tool: str, args: Mapping[str, str]) -> PlannedStep:  # noqa: A002 - a step's field
        spec = self._tools.get(tool)
        if spec is None or not args.keys() <= spec.parameters.model_fields.keys():  # it was not held to the grammar
            raise PlanError(f"The model planned a call that no tool takes: {tool}.", fix="Ask it in words.")
        known = {name: in_tools_words(spec, name, value, self._choices) for name, value in args.items()}
        return PlannedStep(id=id, tool=tool, args={name: value for name, value in known.items() if value is not None})
