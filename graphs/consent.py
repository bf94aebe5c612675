"""Whether a message says that a person agrees to the use of their voice or likeness.

This is decided by plain words, never by a model: a planner that wants to please must not be able to agree for somebody.
"""

from __future__ import annotations

import re

_AGREE = re.compile(
    r"\b(?:"
    r"(?:i|we)(?:'ve| have| got| do have)\s+(?:[\w']+\s+){0,3}?(?:permission|consent|approval|leave)"
    r"|with\s+(?:[\w']+\s+){0,2}?(?:permission|consent|approval)"
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
_NOT = r"without|no|not|never|n't|don't|doesn't|didn't|haven't|hasn't|isn't|sin|sans|ohne|kein\w*|nicht"
_LEAVE = (
    "permission|consent|approval|agreed?|voice|permiso|accord|autorisation|erlaubnis|einwilligung|zustimmung"
    "|stimme|voz|voix"
)
_REFUSE = re.compile(
    rf"\b(?:as if|as though|pretend\w*|if)\b|\b(?:{_NOT})\b[^.!?;]{{0,40}}?\b(?:{_LEAVE})", re.IGNORECASE
)


def grants(message: str) -> bool:
    """Whether the message says that the person agrees, or that the voice is the user's own, and nothing against it."""
    plain = message.replace("\u2019", "'")
    return bool(_AGREE.search(plain)) and not _REFUSE.search(plain)
