"""Whether a message says that a person agrees to the use of their voice or likeness.

This is decided by plain words, never by a model: a planner that wants to please must not be able to agree for somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from graphs.naming import spaced_words
from memory.events import PlannedStep
from tools.spec import ToolSpec

#: What may stand between "I have" and "permission". Any word might be "to ask for", "yet to get", "been denied".
_WHOSE = (
    r"(?:(?:got|gotten|received|obtained|been given|the|an?|my|her|his|their|its|your|all|full|written|verbal|oral"
    r"|explicit|express|clear|prior|proper|necessary|legal|speaker|owner|person|\w+'s?)\s+){0,4}?"
)
_AGREE = re.compile(
    r"\b(?:"
    rf"(?:i|we)(?:'ve| have| got| do have)\s+{_WHOSE}(?:permission|consent|approval|leave)"
    rf"|with\s+{_WHOSE}(?:permission|consent|approval)"
    r"|(?:gave|gives|given|grants?|granted)\s+(?:\w+\s+){0,2}?(?:permission|consent|approval)"
    r"|(?:s?he|they|speaker|person|owner)(?:'s|'ve| has| have| is| are)?\s+(?:fully\s+)?"
    r"(?:agreed?s?|consented|consents?|(?:fine|ok|okay|happy) with (?:it|this|that))"
    r"|(?:it|this|that|the voice|the recording)(?:'s| is)\s+(?:my own|my)\s+(?:own\s+)?(?:voice|recording)"
    r"|my own voice|clone my voice|in my voice|voice is mine"
    r"|(?:tengo|con)\s+(?:su\s+)?permiso|mi propia voz"
    r"|(?:j'ai|avec)\s+(?:son|sa|leur)\s+(?:permission|accord|autorisation)|ma propre voix"
    r"|mit\s+(?:seiner|ihrer|deren)\s+(?:erlaubnis|einwilligung|zustimmung)|meine eigene stimme"
    r")\b",
    re.IGNORECASE,
)
_NOT = (
    r"without|no|not|never|nobody|none|nothing|neither|nor|only|unless|until|whether|lack\w*|refus\w+|denie[ds]|deny"
    r"|declin\w+|withdr\w+|revok\w+|(?:do|does|did|have|has|had|is|was|are|were|would|ca|wo)n'?t|cannot"
    r"|sin|sans|ohne|kein\w*|nicht"
)
#: "Has she agreed", "do I have", "is this": a question is no answer.
_ASKED = (
    r"(?:do|did|have|had)\s+(?:i|we|you|they)|(?:does|did|has|had|is|was)\s+(?:s?he|it|this|that|the\s+\w+)"
    r"|(?:did|has|had|have)\s+(?:any|every|some)\w+"
)
_LEAVE = (
    r"permission|consent\w*|approval|agree\w*|fine with|voice|permiso|accord|autorisation|erlaubnis|einwilligung"
    r"|zustimmung|stimme|voz|voix"
)
_REFUSE = re.compile(
    rf"\b(?:as if|as though|pretend\w*|if)\b|\b(?:{_NOT}|{_ASKED})\b[^.!?;]{{0,40}}?\b(?:{_LEAVE})", re.IGNORECASE
)


#: Somebody else's words. An apostrophe, as in "it's", neither opens nor closes a quotation.
_QUOTED = re.compile(
    "(?<!\\w)[\"'`\u201c\u201e\u201d\u2018\u00ab\u00bb\u300c\u300e](?=\\S).+?"
    "[\"'`\u201c\u201d\u00ab\u00bb\u300d\u300f](?!\\w)",
    re.DOTALL,
)


def grants(message: str, spoken: Iterable[str] = ()) -> bool:
    """Whether the message says that the person agrees, or that the voice is the user's own, and nothing against it.

    What it quotes, and what it gives to be ``spoken`` or worked on, is not said by the user.
    """
    plain = message.replace("\u2019", "'")
    if _REFUSE.search(plain):
        return False
    others = [spaced_words(text) for text in spoken]
    said = (spaced_words(match[0]) for match in _AGREE.finditer(_QUOTED.sub(" | ", plain)))
    return any(not any(words in text for text in others) for words in said)


def voices(steps: Iterable[PlannedStep], spec_of: Callable[[str], ToolSpec]) -> int:
    """How many recordings the steps use for what takes a person's leave. Words that grant it say of one voice only."""
    used: dict[str, set[Any]] = {}
    for step in steps:
        spec = spec_of(step.tool)
        media = spec.media_parameters.items() if spec.permissions else ()
        for name, kind in media:
            if kind != "text" and name in step.args:
                used.setdefault(name, set()).add(step.args[name])
    return max(map(len, used.values()), default=0)
