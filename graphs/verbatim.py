"""Results that are the answer as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from engines.text.languages import LANGUAGES
from graphs.plan import Plan, StepResult, references
from memory.events import PlannedStep
from tools.spec import ToolSpec

#: Words that a request for one translation is made of; the last lines are German, French, Spanish, Italian, Portuguese.
_ASKING = """
    a an as be by can could do does for from give he hear heard her here him his how i in into is it its just kindly me
    my of on one our please put render said say saying says she should spoken stand stands that the their them there
    these they this to translate translated translation turn version want was we were what what's which will with would
    written you your
    answer audio caption clip document file image letter line menu message note paragraph passage phrase photo picture
    poster recording screenshot sentence sign text title transcript video voice word words
    auf aus bitte das den der die dies diesen es heißt im ins man mir nach sagt satz von was wie wort zu übersetz
    übersetze übersetzen
    au cela ce cette comment dans de dis dit du en est la le les moi mot texte traduire traduis traduisez
    al como cómo del di dice dime el esta esto favor frase palabra por se texto traduce traduzca
    come dici parola per favore questa questo si testo traduci
    diz esse este isso isto o os palavra para traduz traduza um uma
"""
_ASKING_WORDS = frozenset(_ASKING.split())
"""Any other word may ask for more than the result, and so may two languages or a second sentence: then a model answers,
which is slower but never says too little.
"""

_LANGUAGE_NAMES = sorted(
    {name.lower() for each in LANGUAGES for name in (each.english, each.native, *each.others) if len(name) > 3},
    key=len,
    reverse=True,
)
#: A language; with ``from`` or an article before it, it is the one that the text is in.
_LANGUAGE = re.compile(
    r"(?:\b(?P<source>from|the|this|that|my|an?|aus|vom|von|du|del)\s+)?"
    rf"\b(?P<name>{'|'.join(map(re.escape, _LANGUAGE_NAMES))})\b",
    re.IGNORECASE,
)
_OPENING = re.compile(r"^\W*(?:(?:and|now|so|okay|ok|well|hi|hello)\b\W*)+", re.IGNORECASE)
_SECOND_SENTENCE = re.compile(r"[.?!;…\n]\W*\w")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_QUOTES = "\"'\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"


def verbatim(message: str, plan: Plan, results: Mapping[str, StepResult], spec_of: Callable[[str], ToolSpec]) -> str:
    """The text of the plan's end, where that is the answer word for word; empty where a model has to answer.

    That is so when the plan leads to one result of a kind that is an answer (a translation), nothing failed, and the
    message, without the text and the files it gives to work on, is one clause that asks for just that.
    """
    used = {name for step in plan.steps for name in references(step)}
    ends = [step for step in plan.steps if step.id not in used]
    if len(ends) != 1 or any(result["error"] for result in results.values()):
        return ""
    (end,) = ends
    if not spec_of(end.tool).result.is_the_answer or not _asks_for_it_alone(
        _without_media(message, plan.steps, spec_of)
    ):
        return ""
    return str(results[end.id]["fields"].get("text", ""))


def _without_media(message: str, steps: Iterable[PlannedStep], spec_of: Callable[[str], ToolSpec]) -> str:
    """What asks, without the texts and file names that it gives to work on."""
    given = (
        str(step.args[name]) for step in steps for name in spec_of(step.tool).media_parameters if name in step.args
    )
    for value in sorted(given, key=len, reverse=True):
        spelt = r"\s+".join(map(re.escape, value.split()))
        if spelt:
            quoted = rf"[{_QUOTES}]\s*{spelt}[.?!\u2026]*\s*[{_QUOTES}]"
            message = re.sub(rf"(?<!\w)(?:{quoted}|{spelt})(?!\w)", " ", message, flags=re.IGNORECASE)
    return message


def _asks_for_it_alone(asked: str) -> bool:
    asked = _OPENING.sub("", asked)
    into = {match["name"].lower() for match in _LANGUAGE.finditer(asked) if not match["source"]}
    words = _WORD.findall(_LANGUAGE.sub(" ", asked).lower().replace("\u2019", "'"))
    return (
        len(into) <= 1 and not _SECOND_SENTENCE.search(asked.strip()) and all(word in _ASKING_WORDS for word in words)
    )
