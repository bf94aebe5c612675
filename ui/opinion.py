"""What the user thinks of an answer: a thumb up or down, and why."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError, Client, Json
from ui.words import literal

RATINGS = ("down", "up")
"""As `st.feedback` numbers them."""


def show(client: Client, run_id: str, said: Json | None) -> None:
    """Two thumbs under an answer; ``said`` is what was said of it before."""
    thumb, why = f"thumb-{run_id}", f"why-{run_id}"
    comment = said["comment"] if said else ""
    st.feedback(
        "thumbs",
        key=thumb,
        default=RATINGS.index(said["rating"]) if said else None,
        on_change=_keep,
        args=(client, run_id, thumb, why, comment),
    )
    if said and said["rating"] == "down":
        st.text_input(
            "What was wrong?",
            comment,
            key=why,
            placeholder="What was wrong?",
            label_visibility="collapsed",
            max_chars=4_000,
            on_change=_keep,
            args=(client, run_id, thumb, why, comment),
        )


def _keep(client: Client, run_id: str, thumb: str, why: str, comment: str) -> None:
    """``comment``: what was said before, where no other is written."""
    chosen = st.session_state[thumb]
    try:
        if chosen is None:
            client.take_back_feedback(run_id)
        else:
            client.give_feedback(run_id, RATINGS[chosen], st.session_state.get(why, comment))
    except ApiError as error:
        st.toast(f"Not kept: {literal(str(error))}", icon=":material/error:")
