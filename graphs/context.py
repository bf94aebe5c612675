"""The context handler: what of a conversation a model gets to see, within its window.

A prompt is the system prompt, what was said long ago in short, the last turns, and the message with its texts, with
what tools found for it and what memory recalled. `graphs.budget` says how much of each; what is left out of the last
turns is in the summary, see `graphs.summary`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage

from graphs.budget import DEFAULT_WINDOW, MESSAGE_TOKENS, Budget, cut, fit, newest, tokens
from graphs.plan import StepResult

_RESPOND = Path(__file__).with_name("prompts") / "respond.md"

#: What the planner sees of the conversation: the last messages, each cut to this many characters.
BEFORE_MESSAGES = 4
BEFORE_CHARS = 300

#: What it sees of the summary, in characters.
BEFORE_SUMMARY = 400

#: Of a result or a text, at least so much is shown, however long the message is.
LEAST_TOKENS = 40

#: What an earlier tool found is kept to this many characters.
FACT_CHARS = 600


def before(messages: Sequence[AnyMessage], summary: str = "") -> str:
    """The end of the conversation in a few lines, for the planner, under what was said before that in short."""
    lines = [f"long ago: {_shortened(' '.join(summary.split()), BEFORE_SUMMARY)}"] if summary else []
    for message in messages[-BEFORE_MESSAGES:]:
        who = "user" if isinstance(message, HumanMessage) else "assistant"
        lines.append(f"{who}: {_shortened(str(message.text), BEFORE_CHARS)}")
    return "\n".join(lines)


def response_messages(
    messages: Sequence[AnyMessage],
    results: Sequence[StepResult],
    texts: Mapping[str, str],
    *,
    summary: str = "",
    memories: Sequence[str] = (),
    window: int = DEFAULT_WINDOW,
    share: float = 1.0,
) -> list[BaseMessage]:
    """The prompt for the answer, of at most ``window`` tokens less those of the answer.

    ``texts`` is file name -> text; a long one is cut, and the model is told. ``share``, in 0..1, is how much of the
    usual is shown: tokens are only estimated, so that what does not fit has to be tried again with less.
    A message that fills the window by itself is not cut: the model then says that it is too long. Neither is what
    failed; and of each result and text there is always something to see.
    """
    system = system_prompt()
    failed = [f"FAILED: {result['error']} {result['error_fix']}" if result["error"] else "" for result in results]
    fixed = size([system, HumanMessage(_asked(messages[-1], [failure for failure in failed if failure]))])
    budget = Budget.divide(window, fixed, share)
    found = [result["summary"] for result in results if not result["error"]]
    shown = iter(fit([*found, *texts.values()], budget.results, least=LEAST_TOKENS))
    findings = [failure or next(shown) for failure in failed]
    attached = "".join(f"\n\n[{name}]\n{text}" for name, text in zip(texts, shown, strict=True))
    recalled = [text for text in fit(memories, budget.memory) if text]
    asked = HumanMessage(_asked(messages[-1], findings, recalled) + attached)
    history = _newest_turns(history_of(messages[:-1]), budget.history)
    return [system, *_under_summary([*history, asked], cut(summary, budget.summary))]


def history_of(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """Earlier turns as the model saw them when they were new: what tools found stands in the user's message."""
    shown: list[BaseMessage] = []
    for index, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            answer = messages[index + 1 : index + 2]
            facts = answer[0].additional_kwargs.get("facts", []) if answer else []
            shown.append(HumanMessage(_asked(message, [_shortened(fact, FACT_CHARS) for fact in facts])))
        else:
            shown.append(AIMessage(str(message.text)))
    return shown


def system_prompt() -> SystemMessage:
    """The same in every turn, so that what an engine makes of it can be kept."""
    return SystemMessage(_RESPOND.read_text("utf-8").strip())


def size(messages: Sequence[BaseMessage]) -> int:
    """About how many tokens messages have in a prompt."""
    return sum(tokens(str(message.text)) + MESSAGE_TOKENS for message in messages)


def _newest_turns(history: Sequence[BaseMessage], limit: int) -> list[BaseMessage]:
    """The last messages that fit, from a user's message on."""
    count = newest((size([message]) for message in reversed(history)), limit)
    kept = list(history[len(history) - count :])
    while kept and not isinstance(kept[0], HumanMessage):
        del kept[0]
    return kept


def _under_summary(messages: Sequence[BaseMessage], summary: str) -> list[BaseMessage]:
    """The summary stands in the first message of the user: many models take one system prompt only, and no two
    messages of the same side in a row. There it stays the same from turn to turn, so that a prompt cache knows it.
    """
    if not summary:
        return list(messages)
    first = HumanMessage(f"[What was said before, in short]\n{summary}\n\n{messages[0].text}")
    return [first, *messages[1:]]


def _asked(message: AnyMessage, findings: Sequence[str], recalled: Sequence[str] = ()) -> str:
    lines = [str(message.text)]
    if recalled:
        known = "\n".join(f"- {item}" for item in recalled)
        lines.append(f"What you remember that may matter:\n{known}")
    if files := message.additional_kwargs.get("files"):
        lines.append(f"[Attached: {', '.join(files)}]")
    if findings:
        found = "\n".join(f"- {finding}" for finding in findings)
        lines.append(f"Results of the tools that ran for this message:\n{found}")
    return "\n\n".join(lines)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]} ..."
