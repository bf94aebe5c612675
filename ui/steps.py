"""The plan and how far it has come."""

from __future__ import annotations

import contextlib

import streamlit as st

from ui.client import ApiError, Client
from ui.live import RunView, Step, nice_name
from ui.words import arguments, duration, literal, one_line

ICONS = {
    "waiting": ":gray[:material/radio_button_unchecked:]",
    "running": ":primary[:material/pending:]",
    "done": ":green[:material/check_circle:]",
    "failed": ":red[:material/error:]",
    "skipped": ":gray[:material/do_not_disturb_on:]",
}

PREVIEW_PX = 240
"""Width in CSS px of a picture that is being made."""

BREAK = "  \n"
"""A line break in markdown."""


class Board:
    """What happens now, painted over and over in the same place.

    It is three elements whatever they show: Streamlit leaves what a longer painting had at its end until the script is
    over.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lines = st.empty()
        self._bar = st.empty()
        self._preview = st.empty()
        self._shown: tuple[str, int] | None = None

    def paint(self, view: RunView) -> None:
        has_planned = view.plan_seconds is not None or view.text
        nothing = "No tool is needed." if has_planned else "Reading the message and choosing the tools ..."
        self._lines.markdown(described(view) or f":gray[{nothing}]")
        progress = _progress(view)
        if progress:
            fraction, text = progress
            self._bar.progress(min(1.0, max(0.0, fraction)), text or None)
        else:
            self._bar.empty()
        self._paint_preview(view)

    def _paint_preview(self, view: RunView) -> None:
        """What the first step that shows anything is making. It is fetched again only when there is a newer one."""
        step = next((step for step in view.steps if step.state == "running" and step.preview), None)
        wanted = (step.call_id, step.preview) if step else None
        if wanted == self._shown:
            return
        self._shown = wanted
        if step is None:
            self._preview.empty()
            return
        with contextlib.suppress(ApiError):  # the call has just ended: the picture itself is on its way
            picture = self._client.preview(view.run_id, step.call_id)
            self._preview.image(picture, alt=f"{nice_name(step.tool)}: how far it is", width=PREVIEW_PX)


def show_done(view: RunView) -> None:
    """The steps of a run that is over, folded away."""
    if not view.steps and not view.notes:
        return
    failed = sum(step.state == "failed" for step in view.steps)
    label = " → ".join(nice_name(step.tool) for step in view.steps) or "Notes"
    if failed:
        label += f" · {failed} failed"
    with st.expander(label, icon=":material/warning:" if failed else ":material/checklist:", type="compact"):
        lines = described(view)
        st.markdown(lines + f"{BREAK}:gray[Planned in {duration(view.plan_seconds)}]" if view.plan_seconds else lines)


def described(view: RunView) -> str:
    """Each step and each note as a line of markdown."""
    names = {artifact["id"]: artifact["name"] for artifact in (*view.attachments, *view.artifacts)}
    lines = [_line(step, names) for step in view.steps]
    lines += [f":gray[:material/info: {literal(one_line(note))}]" for note in view.notes]
    return BREAK.join(lines)


def _progress(view: RunView) -> tuple[float, str] | None:
    """The one bar: a model that loads, or else the first step that says how far it is. Fraction in 0..1 and a text."""
    for loading in view.loading.values():
        if not loading.is_done:
            return loading.fraction or 0.0, literal(f"Loading {loading.model}: {loading.message}".rstrip(": "))
    for step in view.steps:
        if step.state == "running" and step.fraction is not None:
            return step.fraction, literal(f"{nice_name(step.tool)}: {step.message}".rstrip(": "))
    return None


def _line(step: Step, names: dict[str, str]) -> str:
    parts = [f"{ICONS[step.state]} **{literal(nice_name(step.tool))}**"]
    if step.text and step.state == "running":
        parts.append(literal(one_line(step.text, keep_end=True)))
    elif step.message and step.state in {"done", "failed"}:
        parts.append(literal(one_line(step.message)))
    elif step.args:
        parts.append(f":gray[{literal(one_line(arguments(step.args, names)))}]")
    if step.seconds is not None:
        parts.append(f":gray[{duration(step.seconds)}]")
    return " · ".join(parts)
