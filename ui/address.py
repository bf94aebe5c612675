"""The page's address: it names the conversation that is open."""

from __future__ import annotations

import streamlit as st


def open_thread(thread_id: str | None) -> None:
    """From the next run of the page's script on. None: an empty conversation."""
    if thread_id:
        st.query_params["thread"] = thread_id
    else:
        st.query_params.clear()
