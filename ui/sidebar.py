"""The sidebar: conversations, the chat model, the last answer's receipts."""

from __future__ import annotations

import streamlit as st

from ui import notice, permissions, receipts
from ui.address import open_thread
from ui.client import ApiError, Client, Json
from ui.conversation import past_view
from ui.words import literal, since

AUTOMATIC = "auto"

OPEN_ROW = "background: color-mix(in srgb, currentColor 9%, transparent);"
"""Marks the open conversation in the list."""


def show(client: Client, thread: Json | None) -> None:
    with st.sidebar:
        st.markdown("### :primary[:material/graphic_eq:] Sensorium")
        st.button(
            "New conversation",
            key="new",
            icon=":material/edit_square:",
            width="stretch",
            on_click=open_thread,
            args=(None,),
        )
        _model(client)
        st.caption("Conversations")
        _conversations(client, thread["id"] if thread else None)
        if thread:
            _last_receipts(client, thread)
        permissions.button(client)


def _model(client: Client) -> None:
    """The user's choice for all turns, which the server keeps."""
    # A remote entry stands for a whole server: which of its models is meant has to be typed.
    models = [model for model in client.models() if model["capability"] == "chat" and not model["remote"]]
    titles = {AUTOMATIC: "Automatic"} | {model["id"]: model["title"] for model in models if model["state"] == "ready"}
    chosen = client.profile()["model"] or AUTOMATIC
    titles.setdefault(chosen, chosen)  # a model of a server, which has been typed
    st.selectbox(
        "Chat model",
        list(titles),
        index=list(titles).index(chosen),
        format_func=lambda name: titles.get(name, name),
        key="model",
        accept_new_options=True,
        help="Models that are on this machine. A model of an Ollama server can be typed: ollama/NAME.",
        on_change=_choose_model,
        args=(client,),
    )
    if not any(model["state"] == "ready" for model in models):
        st.caption(":orange[:material/warning: No chat model is here yet.] Fetch one: `sensorium models pull`")


def _choose_model(client: Client) -> None:
    chosen = st.session_state["model"]
    try:
        client.choose({"model": None if chosen in {None, AUTOMATIC} else chosen})
    except ApiError as error:
        st.toast(f"Not chosen: {literal(str(error))}", icon=":material/error:")
        del st.session_state["model"]


def _conversations(client: Client, open_id: str | None) -> None:
    threads = client.threads()
    if not threads:
        st.caption(":gray[None yet]")
        return
    if open_id:  # an id is letters, digits, hyphens and underscores
        st.html(f"<style>.st-key-row-{open_id} {{ {OPEN_ROW} }}</style>")
    doomed = None
    with st.container(gap=None, key="conversations"):
        for thread in threads:
            if _conversation(thread) == "Delete":
                doomed = thread
    if doomed:
        _confirm_deletion(client, doomed, is_open=doomed["id"] == open_id)


def _conversation(thread: Json) -> str | None:
    """One row; returns what was chosen from its menu."""
    with st.container(horizontal=True, vertical_alignment="center", gap=None, wrap=False, key=f"row-{thread['id']}"):
        st.button(
            literal(thread["title"]) or "New conversation",
            key=f"thread-{thread['id']}",
            type="tertiary",
            width="stretch",
            help=since(thread["updated_at"]),
            on_click=open_thread,
            args=(thread["id"],),
        )
        return st.menu_button(
            ":material/more_horiz:", ["Delete"], key=f"menu-{thread['id']}", type="tertiary", help="More"
        )


@st.dialog("Delete this conversation?")
def _confirm_deletion(client: Client, thread: Json, *, is_open: bool) -> None:
    st.text(thread["title"] or "New conversation")
    st.caption("Its messages and the media that nothing else uses are deleted from this machine.")
    if st.button("Delete", key="really-delete", type="primary", icon=":material/delete:"):
        try:
            client.delete_thread(thread["id"])
        except ApiError as error:
            notice.error(error.message, error.fix)
            return
        if is_open:
            open_thread(None)
        st.rerun()


def _last_receipts(client: Client, thread: Json) -> None:
    finished = [run for run in thread["runs"] if run["status"] == "finished"]
    if not finished:
        return
    view = past_view(client, finished[-1]["id"], finished[-1]["status"])
    if view.receipts:
        with st.expander("Last answer's receipts", icon=":material/receipt_long:"):
            for receipt in view.receipts:
                receipts.show(receipt)
