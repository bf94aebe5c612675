"""The context handler: what of a conversation a model gets to see, within its window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately

from graphs.plan import StepResult

_RESPOND = Path(__file__).with_name("prompts") / "respond.md"

#: Tokens of history an answer may cost, counted roughly; the embedded model's window has room for as much again.
HISTORY_TOKENS = 2_500

#: What the planner sees of the conversation: the last messages, each cut to this many characters.
BEFORE_MESSAGES = 4
BEFORE_CHARS = 300

#: What of an attached text, or of what a tool found, the model sees, in characters: about a quarter of the embedded
#: model's window.
TEXT_CHARS = 8_000

#: What an earlier tool found is kept to this many characters.
FACT_CHARS = 600


def before(messages: Sequence[AnyMessage]) -> str:
    """The end of the conversation in a few lines, for the planner."""
    return "\n".join(
        f"{'user' if isinstance(message, HumanMessage) else 'assistant'}: {_cut(str(message.text), BEFORE_CHARS)}"
        for message in messages[-BEFORE_MESSAGES:]
    )


def response_messages(
    messages: Sequence[AnyMessage], results: Sequence[StepResult], texts: Mapping[str, str], *, share: float = 1.0
) -> list[BaseMessage]:
    """System prompt, as much history as fits, and the message with its text files and what the tools found.

    ``texts`` is file name -> text; a long one is cut, and the model is told. ``share``, in 0..1, is how much of the
    usual is shown: tokens are only estimated, so that what does not fit has to be tried again with less.
    """
    history = trim_messages(
        _history(messages[:-1]),
        max_tokens=int(HISTORY_TOKENS * share),
        token_counter=count_tokens_approximately,
        strategy="last",
        start_on="human",
    )
    length = int(TEXT_CHARS * share)
    system = SystemMessage(_RESPOND.read_text("utf-8").strip())
    findings = [
        f"FAILED: {result['error']} {result['error_fix']}" if result["error"] else _cut(result["summary"], length)
        for result in results
    ]
    attached = "".join(f"\n\n[{name}]\n{_cut(text, length)}" for name, text in texts.items())
    return [system, *history, HumanMessage(_asked(messages[-1], findings) + attached)]


def _history(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """Earlier turns as the model saw them when they were new: what tools found stands in the user's message."""
    shown: list[BaseMessage] = []
    for index, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            answer = messages[index + 1 : index + 2]
            facts = answer[0].additional_kwargs.get("facts", []) if answer else []
            shown.append(HumanMessage(_asked(message, [_cut(fact, FACT_CHARS) for fact in facts])))
        else:
            shown.append(AIMessage(str(message.text)))
    return shown


def _asked(message: AnyMessage, findings: Sequence[str]) -> str:
    lines = [str(message.text)]
    if files := message.additional_kwargs.get("files"):
        lines.append(f"[Attached: {', '.join(files)}]")
    if findings:
        found = "\n".join(f"- {finding}" for finding in findings)
        lines.append(f"Results of the tools that ran for this message:\n{found}")
    return "\n\n".join(lines)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]} ..."
