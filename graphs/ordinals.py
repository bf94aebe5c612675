"""Which file a request means that counts ("the second picture"): small planners know what is there, not its order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from graphs.plan import STEP_REFERENCE, Offer, Plan, Request
from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

_PLACES = {
    "first": 0,
    "1st": 0,
    "second": 1,
    "2nd": 1,
    "third": 2,
    "3rd": 2,
    "fourth": 3,
    "4th": 3,
    "fifth": 4,
    "5th": 4,
}
_NEWEST = ("last", "latest", "newest", "most recent")
_NOUNS: Mapping[MediaKind, str] = {
    "image": r"(?:pictures?|images?|photos?|photographs?|pics?|screenshots?|drawings?)",
    "audio": r"(?:recordings?|sounds?|audios?|songs?|(?:audio|sound) files?|voice messages?)",
    "video": r"(?:videos?|clips?|films?)",
}
_FORMS = {
    kind: re.compile(
        rf"\b(?P<which>{'|'.join((*_PLACES, *_NEWEST))})\s+(?:(?:one\s+)?of\s+(?:the|these|those|my)\s+(?:\w+\s+)?)?"
        rf"(?:(?:attached|uploaded|sent)\s+)?(?P<noun>{noun})\b"
        r"(?:\s+(?:that\s+)?(?:(?P<sent>(?:I|we)(?:'ve|\s+have)?\s+(?:just\s+)?"
        r"(?:sent|gave|given|attached|uploaded|showed|shown|shared))"
        r"|(?P<made>you(?:'ve|\s+have)?\s+(?:just\s+)?(?:made|drew|drawn|generated|created|painted)))\b)?",
        re.IGNORECASE,
    )
    for kind, noun in _NOUNS.items()
}
#: "... and find people in the other".
_COUNTING = re.compile(rf"\b(?:{'|'.join((*_PLACES, *_NEWEST))}|others?|another)\b", re.IGNORECASE)


def with_ordinals(plan: Plan, request: Request, tools: Mapping[str, ToolSpec]) -> Plan:
    """The plan with the files that the request counts in the place of those it has: where it counts one of a kind, and
    speaks of no other of that kind.

    Of several that come with the message their order counts, else the order in which the conversation got them.
    """
    message = request.message
    names_one = any(offer.is_file and offer.name.lower() in message.lower() for offer in request.offers)
    if request.done or names_one or len(_COUNTING.findall(message)) != 1:
        return plan
    files = [offer for offer in request.offers if offer.is_file]
    for kind, form in _FORMS.items():
        is_only_one = len(re.findall(rf"\b{_NOUNS[kind]}\b", message, re.IGNORECASE)) == 1
        if is_only_one and (match := form.search(message)) and (meant := _meant(match, files, kind)):
            note = f"The {match['which']} {match['noun']} is {meant.name}."
            plan = _with_file(plan, kind, meant, note, request, tools)
    return plan


def _meant(match: re.Match[str], files: Sequence[Offer], kind: MediaKind) -> Offer | None:
    """None: there are not so many, or those that came first are not remembered any more."""
    those = [offer for offer in files if offer.kind == kind and (offer.number or not offer.earlier)]
    attached = [offer for offer in those if not offer.earlier]
    if match["made"]:
        those = [offer for offer in those if offer.made]
    elif len(attached) > 1:
        those = attached
    elif match["sent"]:
        those = [offer for offer in those if not offer.made]
    place = _PLACES.get(match["which"].lower(), -1)
    begins = those == attached or min((offer.number for offer in files if offer.number), default=1) == 1
    if (place >= 0 and not begins) or place >= len(those) or len(those) < 2:
        return None
    return sorted(those, key=lambda offer: offer.number)[place]


def _with_file(
    plan: Plan, kind: MediaKind, meant: Offer, note: str, request: Request, tools: Mapping[str, ToolSpec]
) -> Plan:
    """Calls that come to the same then are made once."""
    files = {offer.name for offer in request.offers if offer.is_file and offer.kind == kind}
    steps: list[PlannedStep] = []
    same: dict[str, str] = {}
    for step in plan.steps:
        kinds = tools[step.tool].media_parameters
        args = {
            name: meant.name if kinds.get(name) == kind and value in files else _followed(value, same)
            for name, value in step.args.items()
        }
        if twin := next((each for each in steps if (each.tool, each.args) == (step.tool, args)), None):
            same[step.id] = twin.id
        else:
            steps.append(step.model_copy(update={"args": args}))
    if tuple(steps) == plan.steps:
        return plan
    return plan.model_copy(update={"steps": tuple(steps), "notes": (*plan.notes, note)})


def _followed(value: object, same: Mapping[str, str]) -> object:
    return same.get(value, value) if isinstance(value, str) and STEP_REFERENCE.match(value) else value
