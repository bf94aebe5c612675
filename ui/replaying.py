"""An answer is made again with its plan, models and seeds, and what came of it is compared."""

from __future__ import annotations

import streamlit as st

from ui import notice
from ui.address import open_thread
from ui.client import ApiError, Client, Json
from ui.live import RunView, nice_name
from ui.words import duration, literal, safe_markdown

_SAID = {True: "the same", False: "different", None: "unknown"}


def button(client: Client, view: RunView) -> None:
    """Of an answer that was planned: it is made again in a conversation of its own, which opens."""
    if view.state == "finished" and view.plan_seconds is not None:
        st.button(
            "Replay and compare",
            key=f"replay-{view.run_id}",
            icon=":material/replay:",
            type="tertiary",
            help="Make it again with the same plan, models and seeds, in a new conversation",
            on_click=_replay,
            args=(client, view.run_id),
        )


def show_comparison(client: Client, view: RunView) -> None:
    """Under an answer that is a replay: whether it came out as before, and where it did not."""
    if not view.replay_of or not view.is_over:
        return
    try:
        found = _compared(client, view.replay_of, view.run_id, view.state)
    except ApiError as error:
        if error.status == 404:
            st.caption(":material/replay: Replay of an answer that has been deleted.")
        else:
            notice.error(error.message, error.fix)
        return
    label, icon = ("Same as before", "check") if found["same"] else ("Not the same as before", "difference")
    with st.popover(label, icon=f":material/{icon}:", type="tertiary", key=f"compared-{view.run_id}"):
        st.caption(f"Plan: {_SAID[found['same_plan']]}. Answer: {_SAID[found['same_answer']]}.")
        for step in found["steps"]:
            st.markdown(_line(step))
        if not found["same_answer"]:
            st.caption("The answer before:")
            st.markdown(safe_markdown(found["a"]["answer"]) or ":gray[none]")


@st.cache_data(max_entries=256, show_spinner=False)
def _compared(_client: Client, before: str, now: str, state: str) -> Json:
    """Of runs that are over, which never change, unless one was interrupted and is resumed: ``state`` tells."""
    del state
    return _client.compare(before, now)


def _line(step: Json) -> str:
    name = f"**{literal(nice_name(step['tool']))}**"
    if step["a"] is None or step["b"] is None:
        return f"{name} · only {'now' if step['a'] is None else 'before'}"
    seconds = " · ".join(f"{when} {_seconds(step[side])}" for side, when in (("a", "before"), ("b", "now")))
    return f"{name} · arguments {_SAID[step['same_args']]}, result {_SAID[step['same_output']]}  \n:gray[{seconds}]"


def _seconds(call: Json) -> str:
    return "failed" if call["seconds"] is None else duration(call["seconds"])


def _replay(client: Client, run_id: str) -> None:
    try:
        open_thread(client.replay(run_id)["thread_id"])
    except ApiError as error:
        st.toast(f"Not replayed: {literal(str(error))}", icon=":material/error:")
