"""The input at the bottom: text, files, the microphone; and what happens when a message is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ui import notice
from ui.address import open_thread
from ui.client import ApiError, Client, Json
from ui.words import literal

#: What is asked when somebody sends media and says nothing, by the media type's first part.
UNSAID = {"audio": "Transcribe this recording.", "image": "What is in this picture?"}
UNSAID_OTHERWISE = "What is this?"


@dataclass
class Message:
    """What the user wants to send. ``files`` are Streamlit's uploads."""

    text: str
    files: list[Any] = field(default_factory=list)


def box(client: Client, *, is_busy: bool) -> Message | None:
    """The input; returns what was just sent."""
    sent = st.chat_input(
        "Answering - press Stop to interrupt" if is_busy else "Ask, or attach a picture or a recording",
        key="message",
        accept_file="multiple",
        accept_audio=True,
        max_upload_size=_upload_limit(client),
        disabled=is_busy,
    )
    if not sent:
        return None
    files = [*sent.files, *([sent.audio] if sent.audio else [])]
    return Message(sent.text.strip(), files)


@st.cache_data(ttl=300, show_spinner=False)
def _upload_limit(_client: Client) -> int:
    limit: int = _client.health()["max_upload_mb"]
    return limit


def send(client: Client, thread: Json | None, message: Message) -> None:
    """Upload the files, start the run, and open the conversation it belongs to.

    When the server refuses, the page says why and the text stays to be copied.
    """
    try:
        attachments = _upload(client, message.files)
        thread_id = thread["id"] if thread else client.create_thread()["id"]
        text = message.text or UNSAID.get(_family(message.files), UNSAID_OTHERWISE)
        client.start_run(thread_id, text, attachments=attachments)
    except ApiError as error:
        notice.error(f"Not sent: {error.message}", error.fix)
        if message.text:
            st.code(message.text, language=None, wrap_lines=True)
        return
    open_thread(thread_id)
    st.rerun()


def send_again(client: Client, run: Json) -> None:
    """The same message with the same files, as a new turn."""
    try:
        client.start_run(run["thread_id"], run["message"], attachments=run["attachments"])
    except ApiError as error:
        st.toast(f"Not sent: {literal(str(error))}", icon=":material/error:")


def _upload(client: Client, files: list[Any]) -> list[str]:
    if not files:
        return []
    with st.spinner("Uploading ..."):
        return [client.upload(file.name, file, file.type)["id"] for file in files]


def _family(files: list[Any]) -> str:
    return str(files[0].type).partition("/")[0] if files else ""
