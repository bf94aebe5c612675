"""Plans that can't run as they are, mended: by their types, by the context, or by a question to the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engines.text.languages import LANGUAGES
from graphs.parser import named_value
from graphs.plan import STEP_REFERENCE, Fault, Offer, Plan, Request, candidates, faults, literal
from graphs.schema import Choices
from memory.events import PlannedStep
from tools.spec import ToolSpec
from tools.types import MediaKind

#: Mending one fault may show the next one; a plan with more than so many is no plan.
MOST_REPAIRS = 8

#: Tools that turn media of one kind into another without changing what it says, in the order they are tried.
_BRIDGES = ("transcribe_audio", "caption_image", "speak", "generate_image")
#: Those that make something up from a text: what was said in an earlier turn is no picture that somebody asks about.
_MAKERS = frozenset({"speak", "generate_image"})

_THINGS: Mapping[MediaKind, str] = {"image": "a picture", "audio": "a recording", "video": "a video", "text": "a text"}

#: Words that may name a language, as in ``Latin American Spanish``.
_PHRASE = (
    r"((?!(?:from|and|or|it|this|that)\b)[^\W\d_]+(?:[ -](?!(?:from|and|or|then|for|please|with)\b)[^\W\d_]+){0,2})"
)
#: How a request says what something is to be put into, the plainest first, and the verbs that ask for it.
_TARGETS = (
    ("into", re.compile(r"\btranslat(?:e[ds]?|ing)\b", re.IGNORECASE)),
    ("to", re.compile(r"\btranslat(?:e[ds]?|ing)\b", re.IGNORECASE)),
    ("in", re.compile(r"\b(?:say|said|put|call|called)\b", re.IGNORECASE)),
)
_CLAUSE_END = re.compile(r"[.,;:!?]|\b(?:and|then)\b", re.IGNORECASE)
#: Codes of languages are words too: ``it``, ``in``, ``as``.
_LONGEST_CODE = 3
_LANGUAGE = re.compile(rf"\b(?:{'|'.join(language.english for language in LANGUAGES)})\b")
#: Before and behind a language's name where it only says what a text is: ``from French``, ``this German sentence``.
_FROM = re.compile(r"\bfrom(?:\s+the)?\s+\Z", re.IGNORECASE)
_THIS = re.compile(r"\b(?:th(?:e|is|at|ese|ose)|my|our|your|his|her|its|their|following|attached)\s+\Z", re.IGNORECASE)
_TEXT = re.compile(
    r"\s+(?:text|sentence|word|phrase|paragraph|line|message|letter|note|e-?mail|article|sign|menu|poem|song|speech"
    r"|audio|recording|memo|clip|video|voice|speaker|document|page|file)s?\b",
    re.IGNORECASE,
)


class Repair:
    """Mends plans with what is known of the tools and of the turn."""

    def __init__(self, tools: Mapping[str, ToolSpec], choices: Choices) -> None:
        self._tools = tools
        self._choices = choices

    def mended(self, plan: Plan, request: Request) -> Plan | None:
        """The plan without its faults, or one that asks. None: only whoever made it can mend it."""
        for _ in range(MOST_REPAIRS):
            found = faults(plan, request.offers, self._tools, self._choices)
            if not found:
                return plan
            if found[0].kind == "unknown-tool":
                return None
            plan = self._without(plan, found[0], request)
            if plan.question:
                return plan
        return None

    def _without(self, plan: Plan, fault: Fault, request: Request) -> Plan:
        step = plan.steps[fault.index]
        spec = self._tools[step.tool]
        if fault.kind == "unknown-argument":
            return _changed(plan, fault.index, {fault.parameter: None}, f"{step.tool} has no {fault.parameter}.")
        if literally := _as_said(plan, fault, request, spec):
            return literally
        if fault.parameter in spec.media_parameters:
            return self._media(plan, fault, request, spec)
        is_option = fault.parameter not in spec.required
        if fault.kind == "unknown-value" or (fault.kind == "wrong-type" and is_option):
            return self._other_value(plan, fault, spec)
        if fault.parameter.endswith("language"):
            return self._language(plan, fault, request, spec)
        return ask(_question_for(spec, fault.parameter))

    def _language(self, plan: Plan, fault: Fault, request: Request, spec: ToolSpec) -> Plan:
        """What the request asks for; where it asks for none, what it names otherwise or was named before."""
        source = spec.choices(fault.parameter)
        known = self._choices[source.choices] if source else [language.english for language in LANGUAGES]
        asked = request.message
        for name, value in plan.steps[fault.index].args.items():
            if name in spec.media_parameters:  # a text may speak of languages too
                asked = re.sub(rf"(?<!\w){re.escape(str(value))}(?!\w)", " ", asked)
        language, unknown = _target(asked, known)
        if unknown:
            return self._ask_other(spec, fault.parameter, unknown)
        named = [language] if language else _languages_in(asked) or _languages_in(request.before)
        if not named:
            return ask(_question_for(spec, fault.parameter))
        note = f"{spec.name} gets {named[-1]} for its {fault.parameter}."
        return _changed(plan, fault.index, {fault.parameter: named[-1]}, note)

    def _other_value(self, plan: Plan, fault: Fault, spec: ToolSpec) -> Plan:
        value = plan.steps[fault.index].args[fault.parameter]
        if fault.parameter not in spec.required:
            note = f"{value!r} is nothing that {spec.name} knows: it was left out."
            return _changed(plan, fault.index, {fault.parameter: None}, note)
        return self._ask_other(spec, fault.parameter, value)

    def _ask_other(self, spec: ToolSpec, parameter: str, value: object) -> Plan:
        source = spec.choices(parameter)
        known = ", ".join(self._choices[source.choices]) if source else ""
        return ask(f"I can't take {value} for the {parameter.replace('_', ' ')}. I know these: {known}. Which one?")

    def _media(self, plan: Plan, fault: Fault, request: Request, spec: ToolSpec) -> Plan:
        """Media of the right type: the only one there is, else the latest result, else one made from what is there."""
        step, before = plan.steps[fault.index], plan.steps[: fault.index]
        names = [fault.parameter] if fault.parameter not in spec.one_of else sorted(spec.one_of)
        for name in names:
            kind = spec.media_parameters[name]
            fitting = candidates(kind, request.offers, before, self._tools)
            attached = [offer.name for offer in request.offers if offer.kind == kind and not offer.earlier]
            results = [found for found in fitting if STEP_REFERENCE.match(found)]
            if len(attached) > 1 and not results:
                return ask(f"Which one do you mean: {' or '.join(attached)}?")
            if chosen := [*results, *attached, *fitting][:1]:
                cleared = dict.fromkeys(names)
                note = f"{step.tool} gets {chosen[0]} for its {name}."
                return _changed(plan, fault.index, {**cleared, name: chosen[0]}, note)
        for name in names:
            bridge = self._bridge(spec.media_parameters[name], request.offers, before)
            if bridge:
                made = _inserted(plan, fault.index, bridge)
                note = f"{bridge.tool} was put before {step.tool}, which needs its result."
                return _changed(made, fault.index + 1, {**dict.fromkeys(names), name: bridge.id}, note)
        return ask(needs(spec, spec.media_parameters[names[0]]))

    def _bridge(self, kind: MediaKind, offers: Sequence[Offer], before: Sequence[PlannedStep]) -> PlannedStep | None:
        """A step that makes media of a kind from what is there."""
        for tool in _BRIDGES:
            spec = self._tools.get(tool)
            if spec is None or kind not in spec.produces:
                continue
            usable = [offer for offer in offers if not (offer.earlier and tool in _MAKERS)]
            for form in spec.forms:
                media = [name for name in form if name in spec.media_parameters]
                found = [candidates(spec.media_parameters[name], usable, before, self._tools) for name in media]
                if len(media) == 1 and len(form) == 1 and found[0]:
                    return PlannedStep(id=f"${len(before) + 1}", tool=tool, args={media[0]: found[0][0]})
        return None


def ask(question: str) -> Plan:
    """A plan that only asks."""
    return Plan(question=question)


def needs(spec: ToolSpec, kind: MediaKind) -> str:
    """The question for an input that is not there."""
    purpose = spec.purpose.rstrip(".").partition(" (")[0]
    return f"I need {_THINGS[kind]} for that: {purpose[0].lower()}{purpose[1:]}. Please attach or name it."


def _question_for(spec: ToolSpec, parameter: str) -> str:
    field = spec.parameters.model_fields[parameter]
    what = (field.description or parameter.replace("_", " ")).partition(";")[0]
    return f"One thing is missing ({spec.name.replace('_', ' ')}): {what}?"


def _as_said(plan: Plan, fault: Fault, request: Request, spec: ToolSpec) -> Plan | None:
    """With the amount that the request says where a step seems to be meant: ``Say "$5" aloud``. None: it says none."""
    value = str(plan.steps[fault.index].args.get(fault.parameter, ""))
    if not STEP_REFERENCE.match(value) or spec.media_parameters.get(fault.parameter, "text") != "text":
        return None
    if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", request.message):
        return None
    return _changed(plan, fault.index, {fault.parameter: literal(value)}, f"{value} is taken as it was said.")


def _languages_in(text: str) -> list[str]:
    """The languages that a text names, in its order, without those that only say what some text is."""
    return [match[0] for match in _LANGUAGE.finditer(text) if not _is_of_a_text(match)]


def _is_of_a_text(language: re.Match[str]) -> bool:
    before = language.string[: language.start()]
    behind = _TEXT.match(language.string, language.end())
    return bool(_FROM.search(before) or (behind and _THIS.search(before)))


def _target(asked: str, known: Sequence[str]) -> tuple[str, str]:
    """The language that a request asks for, or the words that it asks for and that name none; both empty: neither."""
    for preposition, verbs in _TARGETS:
        found = ""
        for match in re.finditer(rf"\b{preposition}\s+{_PHRASE}", asked, re.IGNORECASE):
            words = match[1] if preposition == "into" else match[1].split()[0]
            clause = _CLAUSE_END.split(asked[: match.start()])[-1]
            is_name, has_verb = words[0].isupper(), verbs.search(clause) is not None
            if preposition == "in" and not has_verb:
                continue  # as often what a text is in as what it is to be in
            if (is_name or len(words) > _LONGEST_CODE) and (language := named_value(words, known)):
                found = language
            elif (is_name and has_verb) or (preposition == "into" and (is_name or has_verb)):
                return "", words
        if found:
            return found, ""
    return "", ""


def _changed(plan: Plan, index: int, args: Mapping[str, str | None], note: str) -> Plan:
    """With some arguments of a step set, or without them (None)."""
    step = plan.steps[index]
    given = {name: value for name, value in {**step.args, **args}.items() if value is not None}
    steps = [*plan.steps]
    steps[index] = step.model_copy(update={"args": given})
    return plan.model_copy(update={"steps": tuple(steps), "notes": (*plan.notes, note)})


def _inserted(plan: Plan, index: int, new: PlannedStep) -> Plan:
    """With a step before the one at ``index``; the numbers behind it move up."""
    moved = [_renumbered(step, index) for step in plan.steps]
    return plan.model_copy(update={"steps": (*moved[:index], new, *moved[index:])})


def _renumbered(step: PlannedStep, index: int) -> PlannedStep:
    def moved(value: object) -> object:
        if not (isinstance(value, str) and STEP_REFERENCE.match(value)):
            return value
        number = int(value[1:])
        return f"${number + 1}" if number > index else value

    return PlannedStep(
        id=str(moved(step.id)), tool=step.tool, args={name: moved(value) for name, value in step.args.items()}
    )
