"""How a request is put to a chat model that plans, and what its replies cost."""

from __future__ import annotations

from langchain_core.messages import AIMessage

from engines.errors import PlanError
from graphs.offers import LONG_MESSAGE, WHOLE_MESSAGE
from graphs.plan import Request
from memory.events import Usage

MAX_STEPS = 8
"""Of one plan."""


#: What is shown of what came of a step, in characters.
OUTCOME_CHARS = 300


def question(request: Request) -> str:
    """Files, what was said before, and the request: a part a line."""

    def listed(earlier: bool) -> str:
        return ", ".join(f"{offer.name} ({offer.kind})" for offer in request.offers if offer.earlier is earlier)

    before = "\n".join(part for part in (listed(True), request.before) if part)
    return question_text(listed(False), before, _shortened(request.message))


def asked_again(request: Request, wrong: str) -> str:
    """The question; after a plan that could not run, with what was ``wrong`` with it."""
    return f"{question(request)}\n\nThe plan before could not run:\n{wrong}" if wrong else question(request)


def shown_outcome(outcome: str) -> str:
    """What came of a step, as much of it as helps to go on."""
    return outcome if len(outcome) <= OUTCOME_CHARS else f"{outcome[:OUTCOME_CHARS]} ..."


def question_text(files: str, before: str, message: str) -> str:
    lines = [f"Files: {files}"] if files else []
    if before:
        lines.append(f"Before:\n{before}")
    return "\n".join([*lines, f"Request: {message}"])


def with_usage_of(usage: Usage, reply: AIMessage) -> Usage:
    """``usage`` and what ``reply`` took."""
    if reply.usage_metadata is None:
        return usage
    return Usage(
        prompt_tokens=usage.prompt_tokens + reply.usage_metadata["input_tokens"],
        completion_tokens=usage.completion_tokens + reply.usage_metadata["output_tokens"],
    )


def require_whole(reply: AIMessage, *, is_plan: bool = False) -> None:
    """Raises PlanError where calls were cut off: a plan that has lost its last steps must not pass. An answer in prose
    that ran on is no such loss. ``is_plan``: the model can't have written anything else.
    """
    is_cut = "length" in (reply.response_metadata.get("finish_reason"), reply.response_metadata.get("done_reason"))
    if is_cut and (is_plan or reply.tool_calls or reply.invalid_tool_calls or "{" in reply.text):
        raise PlanError("The model's plan was cut off before it was complete.", fix="Ask for less at once.")


def _shortened(message: str) -> str:
    if len(message) <= LONG_MESSAGE:
        return message
    head, tail = message[: LONG_MESSAGE // 2], message[-LONG_MESSAGE // 2 :]
    return f"{head}\n[... the middle is left out; {WHOLE_MESSAGE} is the whole text ...]\n{tail}"
