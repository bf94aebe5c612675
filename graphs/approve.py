"""The node that asks the user before a plan is acted on, and what may be answered.

All calls of a plan that need it are asked about together. The run waits in its checkpoint (LangGraph's ``interrupt``),
so any process can go on with it when the answer comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field

from engines.errors import DeniedError, InputError
from graphs.plan import Offer, Plan, StepResult, candidates, failure, problems
from graphs.state import Turn, TurnContext
from memory.events import ApprovalQuestion, ApprovalRequired, PlannedStep
from tools.spec import ToolSpec
from tools.types import Danger

ALL = "*"
"""Stands for every step that is asked about."""


class Answer(BaseModel):
    """What the user says about one call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["approve", "edit", "deny"]
    args: dict[str, Any] | None = Field(default=None, description="With `edit`: all the arguments, by name.")
    reason: str = Field(default="", max_length=500, description="With `deny`: why. The answer may tell it.")
    remember: bool = Field(default=False, description="Do the same with this tool for the rest of the conversation.")


async def approve(state: Turn, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Ask about the steps that need it. Runs again from its beginning when the answers are there."""
    context = runtime.context
    plan = Plan(**state["plan"])
    remembered = state.get("remembered", {})
    denied: dict[str, StepResult] = {}
    asked: list[PlannedStep] = []
    for step in plan.steps:
        if step.id in state.get("results", {}) or step.id in state["approved"]:
            continue
        spec = context.tools.get(step.tool)
        policy = context.policy(spec)
        said = remembered.get(step.tool) if policy == "ask" else None
        if policy == "deny":
            denied[step.id] = _denied(step, "your permissions or the settings do not allow it")
        elif said == "deny":
            denied[step.id] = _denied(step, "you said no to it in this conversation")
        elif step.id in context.asked_before or (policy == "ask" and said != "approve"):
            asked.append(step)  # what was asked is answered, whatever the policy has become since
    if not asked:
        return {"results": denied}
    offers = [Offer(**offer) for offer in state["offers"]]
    questions = tuple(question(step, plan, offers, _by_name(context.tools)) for step in asked)
    answers = interrupt(ApprovalRequired(questions=questions).model_dump(mode="json"))
    return _answered(plan, asked, answers, denied, remembered, state["approved"])


def question(step: PlannedStep, plan: Plan, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> ApprovalQuestion:
    """What is asked about a step of ``plan``."""
    spec = tools[step.tool]
    needs_consent = bool(spec.permissions)
    texts = [f"May {step.tool} be run? {spec.purpose}"]
    if needs_consent:
        texts.append(
            "It concerns a person's voice or likeness. Approve only if that person agrees, or if it is your own: "
            "by approving you say so."
        )
    if spec.danger is Danger.PAID:
        texts.append(f"It costs about ${spec.cost.dollars:.2f}." if spec.cost.dollars else "It may cost money.")
    if spec.danger is Danger.DANGEROUS:
        texts.append("It can do what can't be undone.")
    return ApprovalQuestion(
        step=step,
        text=" ".join(texts),
        danger=spec.danger.value,
        seconds=spec.cost.seconds,
        dollars=spec.cost.dollars,
        consent=needs_consent,
        editable=_editable(step, plan, offers, tools),
    )


def check_answers(
    answers: Mapping[str, Answer],
    asked: Sequence[ApprovalQuestion],
    plan: Plan,
    offers: Sequence[Offer],
    tools: Mapping[str, ToolSpec],
) -> dict[str, dict[str, Any]]:
    """The answers as the node takes them: every step that was asked about has one.

    Raises InputError that says what does not fit; then nothing is changed, and the run goes on waiting.
    """
    ids = [item.step.id for item in asked]
    if unknown := sorted(set(answers) - {*ids, ALL}):
        raise InputError(f"Nothing is asked about {unknown[0]!r}.", fix=f"Asked: {', '.join(ids)}.")
    given = {id_: answers.get(id_) or answers.get(ALL) for id_ in ids}
    if missing := [id_ for id_, answer in given.items() if answer is None]:
        raise InputError(f"There is no answer for {', '.join(missing)}.", fix="Answer all of them together.")
    chosen = {id_: answer for id_, answer in given.items() if answer}
    for item in asked:
        _check_answer(chosen[item.step.id], item, tools[item.step.tool])
    edited = _with_edits(plan, {id_: answer.model_dump() for id_, answer in chosen.items()})
    if wrong := problems(edited, offers, tools):
        raise InputError(f"The edit does not fit: {wrong[0]}", fix="Name a file or a result that is there.")
    return {id_: answer.model_dump() for id_, answer in chosen.items()}


def _check_answer(answer: Answer, item: ApprovalQuestion, spec: ToolSpec) -> None:
    if answer.action != "edit":
        if answer.args is not None:
            raise InputError(f"{item.step.id}: arguments come with an edit.", fix="Answer edit, or leave them out.")
    elif answer.args is None:
        raise InputError(f"{item.step.id}: an edit needs the arguments.", fix="Give all of them, by name.")
    else:
        if set_here := [name for name in spec.permissions if name in answer.args]:
            raise InputError(f"{item.step.id}: {set_here[0]} can't be edited.", fix="Approving gives it.")
        spec.validate(answer.args)
    if answer.remember and item.consent and answer.action != "deny":
        raise InputError(
            f"{item.step.tool} concerns a person: it is asked about every time.", fix="Approve it for this time."
        )


def _answered(
    plan: Plan,
    asked: Sequence[PlannedStep],
    answers: Mapping[str, Mapping[str, Any]],
    denied: Mapping[str, StepResult],
    remembered: Mapping[str, str],
    approved: Sequence[str],
) -> dict[str, Any]:
    """The plan with its edits, and what was said no to. A step without an answer (what asks first may have changed
    while the run waited) is not run.
    """
    refused = dict(denied)
    kept = dict(remembered)
    agreed = list(approved)
    for step in asked:
        answer = answers.get(step.id)
        if answer is None:
            refused[step.id] = _denied(step, "it asks first by now, and you had not been asked")
            continue
        if answer["action"] == "deny":
            said = f"you said no: {answer['reason']}" if answer["reason"] else "you said no"
            refused[step.id] = _denied(step, said)
        else:
            agreed.append(step.id)
        if answer["remember"]:
            kept[step.tool] = "deny" if answer["action"] == "deny" else "approve"
    edited = _with_edits(plan, answers)
    return {"plan": edited.model_dump(), "results": refused, "approved": agreed, "remembered": kept}


def _with_edits(plan: Plan, answers: Mapping[str, Mapping[str, Any]]) -> Plan:
    def edited(step: PlannedStep) -> PlannedStep:
        answer = answers.get(step.id, {})
        if answer.get("action") != "edit":
            return step
        args = {name: value for name, value in answer["args"].items() if value is not None}
        return step.model_copy(update={"args": args})

    return plan.model_copy(update={"steps": tuple(edited(step) for step in plan.steps)})


def _editable(step: PlannedStep, plan: Plan, offers: Sequence[Offer], tools: Mapping[str, ToolSpec]) -> dict[str, Any]:
    """JSON schema of every argument but permissions; media are chosen by name."""
    spec = tools[step.tool]
    before = [other for other in plan.steps[: plan.steps.index(step)] if other.tool in tools]
    properties: dict[str, Any] = spec.parameters_schema()["properties"]
    schemas: dict[str, Any] = {}
    for name, schema in properties.items():
        kind = spec.media_parameters.get(name)
        if name in spec.permissions:
            continue
        if kind and kind != "text":
            schemas[name] = {"enum": candidates(kind, offers, before, tools)}
        else:
            schemas[name] = {key: value for key, value in schema.items() if key != "title"}
    return schemas


def _by_name(tools: Iterable[ToolSpec]) -> dict[str, ToolSpec]:
    return {spec.name: spec for spec in tools}


def _denied(step: PlannedStep, why: str) -> StepResult:
    return failure(step.tool, DeniedError(f"{step.tool} was not run: {why}."))
