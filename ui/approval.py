"""The questions of a run that waits: what is to be done, its arguments to edit, and the answer."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from ui.client import ApiError, Client, Json
from ui.live import RunView, nice_name
from ui.words import duration, safe_markdown


def is_due(view: RunView) -> bool:
    """Whether the run asks what this session has not answered yet. Between an answer and the event that tells of it the
    question is not shown again.
    """
    return bool(view.questions) and (view.run_id, view.asked_at) not in _answered()


def show(client: Client, view: RunView) -> None:
    """The questions, together, with one answer for each."""
    with st.form(f"approval-{view.run_id}-{view.asked_at}"):
        chosen = [_question(view, item) for item in view.questions]
        reason = st.text_input("If not, why", key=f"reason-{view.run_id}", max_chars=500)
        with st.container(horizontal=True):
            yes = st.form_submit_button("Approve", icon=":material/check:", type="primary")
            no = st.form_submit_button("Don't do it", icon=":material/block:")
    if yes or no:
        deny = {"action": "deny", "reason": reason}
        answers = {
            item["step"]["id"]: answer if yes and wanted else deny
            for item, (wanted, answer) in zip(view.questions, chosen, strict=True)
        }
        _send(client, view, answers)


def _question(view: RunView, item: Json) -> tuple[bool, Json]:
    """Whether it is to be done, and the answer if so."""
    step = item["step"]
    st.markdown(f"**{safe_markdown(nice_name(step['tool']))}**  \n{safe_markdown(item['text'])}")
    dollars = f", about ${item['dollars']:.2f}" if item["dollars"] else ""
    st.caption(f"About {duration(item['seconds'])}{dollars}.".replace("$", "\\$"))
    key = f"{view.run_id}-{view.asked_at}-{step['id']}"
    args = {
        name: _argument(f"{key}-{name}", name, value, item["editable"].get(name, {}))
        for name, value in step["args"].items()
    }
    is_alone = len(view.questions) == 1
    wanted = is_alone or st.checkbox("Do this", value=True, key=f"{key}-wanted")
    return wanted, {"action": "approve"} if args == step["args"] else {"action": "edit", "args": args}


def _argument(key: str, name: str, value: Any, schema: Json) -> Any:
    """A file is chosen by name, a text is written, anything else is written as JSON."""
    label = name.replace("_", " ").capitalize()
    if value in schema.get("enum", []):
        return st.selectbox(label, schema["enum"], index=schema["enum"].index(value), key=key)
    if isinstance(value, str):
        return st.text_area(label, value, key=key)
    written = st.text_input(label, json.dumps(value, ensure_ascii=False), key=key)
    try:
        return json.loads(written)
    except ValueError:
        return written  # the server says what does not fit


def _send(client: Client, view: RunView, answers: dict[str, Json]) -> None:
    try:
        client.approve(view.run_id, answers)
    except ApiError as error:
        st.error(str(error))
        return
    _answered().add((view.run_id, view.asked_at))
    st.rerun()


def _answered() -> set[tuple[str, int]]:
    answered: set[tuple[str, int]] = st.session_state.setdefault("answered", set())
    return answered
