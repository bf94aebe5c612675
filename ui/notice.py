"""Errors on the page: one line that says what was wrong and what to do."""

from __future__ import annotations

import streamlit as st

from ui.words import literal


def error(message: str, fix: str = "") -> None:
    st.error(f"**{literal(message)}** {literal(fix)}", icon=":material/error:")
