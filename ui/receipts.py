"""Receipts: which models made an answer, how good they are, and how long it took."""

from __future__ import annotations

import streamlit as st

from ui import replaying
from ui.client import Client, Json
from ui.live import RunView
from ui.words import duration, literal


def show_line(client: Client, view: RunView) -> None:
    """One quiet line under an answer, with everything behind it."""
    if not view.is_over or not (view.receipts or view.seconds):
        return
    models = list(dict.fromkeys(receipt["title"] for receipt in view.receipts))
    parts = [*map(literal, models), *([duration(view.seconds)] if view.seconds else [])]
    with st.popover(" · ".join(parts), icon=":material/receipt_long:", type="tertiary", key=f"receipts-{view.run_id}"):
        replaying.button(client, view)
        for receipt in view.receipts:
            show(receipt)
        if view.usage:
            st.caption(f"{view.usage['prompt_tokens']} tokens read, {view.usage['completion_tokens']} written")


def show(receipt: Json) -> None:
    facts = [receipt["licence"], *([f"sha256 {receipt['sha256'][:12]}"] if receipt.get("sha256") else [])]
    st.markdown(f"**{literal(receipt['title'])}**  \n{receipt['tool'].replace('_', ' ')}")
    for fact in (receipt["quality"], receipt["note"], " · ".join(facts)):
        if fact:
            st.caption(literal(fact))
