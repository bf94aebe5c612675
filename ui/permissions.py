"""Which tools may do their work unasked, and how much the models were used."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError, Client, Json
from ui.live import nice_name
from ui.words import literal

WORKS = {"auto": "Works unasked", "ask": "Asks first", "deny": "Never works"}


def button(client: Client) -> None:
    if st.button("Permissions and usage", key="permissions", icon=":material/shield:", type="tertiary"):
        _dialog(client)


@st.dialog("Permissions and usage")
def _dialog(client: Client) -> None:
    try:
        profile, models = client.profile(), client.usage()
    except ApiError as error:
        st.error(literal(str(error)))
        return
    st.caption("A tool that asks first shows what it would do and waits for your answer.")
    with st.container(height=320, border=False):
        for item in profile["approval"]:
            _tool(client, item)
    st.markdown("**Usage**")
    for model in models:
        answers = f"{model['runs']:,} {'answer' if model['runs'] == 1 else 'answers'}"
        tokens = f"{model['prompt_tokens']:,} tokens read, {model['completion_tokens']:,} written"
        st.caption(f"{literal(model['model'])}: {answers}, {tokens}")
    if not models:
        st.caption("Nothing yet.")


def _tool(client: Client, item: Json) -> None:
    key = f"policy-{item['tool']}"
    is_denied = item["policy"] == "deny" and item["chosen_by"] == "settings"
    name = nice_name(item["tool"])
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.text(name, width="stretch", help="The settings of this server deny it." if is_denied else None)
        st.selectbox(
            name,
            list(WORKS),
            index=list(WORKS).index(item["policy"]),
            format_func=WORKS.__getitem__,
            key=key,
            disabled=is_denied,
            label_visibility="collapsed",
            width=190,
            on_change=_keep,
            args=(client, item["tool"], key),
        )


def _keep(client: Client, tool: str, key: str) -> None:
    try:
        client.choose({"approval": {tool: st.session_state[key]}})
    except ApiError as error:
        st.toast(f"Not kept: {literal(str(error))}", icon=":material/error:")
