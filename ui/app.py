"""The page: ``streamlit run ui/app.py``. It talks to the server named by ``SENSORIUM_API`` and keeps nothing itself.

The address names the conversation (``?thread=...``); a run lives in the server. So a reload, a second window or a
dropped connection finds everything again, in the middle of an answer too.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from ui import compose, conversation, notice, sidebar
from ui.client import ApiError, Client

DEFAULT_API = "http://127.0.0.1:8321"

#: Drawn here: a ``:material/...:`` icon in the browser's tab would be fetched from a stranger's server.
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="#0f766e">
<rect x="2" y="12" width="4" height="8" rx="2"/><rect x="10" y="4" width="4" height="24" rx="2"/>
<rect x="18" y="9" width="4" height="14" rx="2"/><rect x="26" y="13" width="4" height="6" rx="2"/></svg>"""


@st.cache_resource
def connect(address: str) -> Client:
    """One client for every session: its connections are shared."""
    return Client(address)


def main() -> None:
    st.set_page_config(page_title="Sensorium", page_icon=ICON, layout="centered")
    st.html(Path(__file__).with_name("style.css"))
    client = connect(os.environ.get("SENSORIUM_API", DEFAULT_API))
    try:
        page(client)
    except ApiError as error:
        notice.error(error.message, error.fix)
        st.button("Try again", icon=":material/refresh:", key="retry")


def page(client: Client) -> None:
    thread_id = st.query_params.get("thread")
    try:
        thread = client.thread(thread_id) if thread_id else None
    except ApiError as error:
        if error.status != 404:
            raise
        st.query_params.clear()
        st.toast("That conversation is not there any more.", icon=":material/info:")
        thread = None
    sidebar.show(client, thread)
    active = conversation.active_run(thread)
    suggestion = None
    if thread and thread["runs"]:
        conversation.show_past(client, thread)
    else:
        suggestion = conversation.welcome(client)
    # Before the answer streams: whatever comes after it would wait until it is complete.
    message = compose.box(client, is_busy=active is not None) or suggestion
    if message:
        compose.send(client, thread, message)
    if active:
        conversation.show_live(client, active)


main()
