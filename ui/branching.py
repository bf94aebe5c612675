"""Going back: a message that was sent is edited, and answered in a conversation of its own."""

from __future__ import annotations

import streamlit as st

from ui import notice
from ui.address import open_thread
from ui.client import ApiError, Client, Json
from ui.live import RunView


def edit_button(client: Client, thread_id: str, view: RunView) -> None:
    """Under a question whose turn is over."""
    if st.button(
        "Edit",
        key=f"edit-{view.run_id}",
        icon=":material/edit:",
        type="tertiary",
        help="Change it and go on from here, in a new conversation",
    ):
        _edit(client, thread_id, view)


def origin(client: Client, thread: Json) -> None:
    """Of a conversation that branched off, the way back to where it did."""
    if not thread["forked_at"]:
        return
    try:
        there = client.run(thread["forked_at"])["thread_id"]
    except ApiError as error:
        if error.status != 404:
            raise
        st.caption(":material/call_split: Branched from a conversation that has been deleted.")
        return
    st.button(
        "Branched from an earlier conversation",
        key="origin",
        icon=":material/call_split:",
        type="tertiary",
        on_click=open_thread,
        args=(there,),
    )


@st.dialog("Edit and ask again")
def _edit(client: Client, thread_id: str, view: RunView) -> None:
    with st.form(f"edit-form-{view.run_id}", border=False):
        text = st.text_area("Message", view.question, label_visibility="collapsed")
        st.caption("A new conversation goes on from here, without doing again what has not changed. This one stays.")
        is_sent = st.form_submit_button("Send", icon=":material/send:", type="primary")
    if not is_sent:
        return
    try:
        made = client.fork(thread_id, view.run_id, text)
    except ApiError as error:
        notice.error(error.message, error.fix)
        return
    open_thread(made["thread_id"])
    st.rerun()
