"""The conversation: what was said, what was done, and the answer that is being made."""

from __future__ import annotations

import time
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import approval, branching, compose, media, notice, opinion, receipts, replaying, steps
from ui.client import ApiError, Client, Json
from ui.follow import Follower
from ui.live import RunView, nice_name
from ui.words import duration, safe_markdown

TURNS_SHOWN = 20
"""A long conversation opens with its last turns; the others are a click away."""

TICK_SECONDS = 0.25
"""How long the page waits for news before it looks whether the user has clicked something."""

FRAME_SECONDS = 0.04
"""Between two paints: a browser can't show more, and each costs."""

OPEN = frozenset({"queued", "running", "waiting"})
"""Statuses of a run that still works."""

USER_ICON, ASSISTANT_ICON = ":material/person:", ":material/graphic_eq:"

#: Streamlit follows what is written only from the very bottom; who has just asked wants to see the answer.
SCROLL_DOWN = """<script>
const main = document.querySelector('[data-testid="stMain"]');
setTimeout(() => main.scrollTo({top: main.scrollHeight}), 100);
</script>"""

SUGGESTIONS = (
    "What can you do for me?",
    "Is this review positive? “The soup was cold, but the staff made up for it.”",
    "Translate “Where is the train station?” into Spanish and read it aloud.",
)


def welcome(client: Client) -> compose.Message | None:
    """The empty conversation. Returns the suggestion that was chosen."""
    with st.container(key="hero"):
        st.title("What shall we look at?", anchor=False)
        st.markdown("Type, speak, or attach a picture or a recording. The built-in models run on this machine.")
        chosen = None
        with st.container(gap=None):
            for number, suggestion in enumerate(SUGGESTIONS):
                if st.button(suggestion, key=f"suggestion-{number}", icon=":material/north_east:", type="tertiary"):
                    chosen = suggestion
        tools = client.tools()
        with st.expander(f"{len(tools)} tools", icon=":material/handyman:", type="compact"):
            st.markdown("\n".join(f"- **{nice_name(t['name'])}**  {safe_markdown(t['purpose'])}" for t in tools))
    return compose.Message(chosen) if chosen else None


def active_run(thread: Json | None) -> Json | None:
    """The run of the conversation that still works, if any."""
    runs = thread["runs"] if thread else []
    return next((run for run in reversed(runs) if run["status"] in OPEN), None)


def show_past(client: Client, thread: Json) -> None:
    """Every turn that is over. One that came to nothing can be tried again, if it is the last."""
    branching.origin(client, thread)
    past = [run for run in thread["runs"] if run["status"] not in OPEN]
    unfolded: set[str] = st.session_state.setdefault("unfolded", set())
    hidden = 0 if thread["id"] in unfolded else max(0, len(past) - TURNS_SHOWN)
    if hidden:
        label = f"Show {hidden} earlier"
        st.button(label, icon=":material/expand_less:", type="tertiary", on_click=unfolded.add, args=(thread["id"],))
    said = {each["run_id"]: each for each in client.feedback(thread["id"])}
    # At the end of an answer the page is shown anew, and an open dialog would be gone with what was written in it.
    editable = thread["id"] if active_run(thread) is None else None
    for run in past[hidden:]:
        _turn(client, editable, past_view(client, run["id"], run["status"]), said.get(run["id"]))
    last = thread["runs"][-1]
    if last["status"] == "interrupted":
        st.button(
            "Go on",
            key="resume",
            icon=":material/play_arrow:",
            type="tertiary",
            on_click=_resume,
            args=(client, last["id"]),
        )
    if last["status"] not in {*OPEN, "finished"}:
        st.button(
            "Try again",
            key="again",
            icon=":material/refresh:",
            type="tertiary",
            on_click=compose.send_again,
            args=(client, last),
        )


@st.cache_data(max_entries=256, show_spinner=False)
def past_view(_client: Client, run_id: str, status: str) -> RunView:
    """A run that is over. It never changes again, unless it was interrupted and is resumed: ``status`` tells."""
    del status
    view = RunView(run_id)
    while True:
        page = _client.events_so_far(run_id, after=view.cursor)
        for event in page["events"]:
            view.add(event)
        if page["done"] or not page["events"]:
            return view


def _turn(client: Client, thread_id: str | None, view: RunView, said: Json | None) -> None:
    _question(client, view, thread_id)
    with st.chat_message("assistant", avatar=ASSISTANT_ICON):
        steps.show_done(view)
        with st.container(key=f"answer-{view.run_id}"):
            _answer(view, st.empty())
        media.show_results(client, view.artifacts)
        _ending(view)
        with st.container(horizontal=True, vertical_alignment="center", key=f"below-{view.run_id}"):
            receipts.show_line(client, view)
            replaying.show_comparison(client, view)
            if view.state == "finished":
                opinion.show(client, view.run_id, said)


def _question(client: Client, view: RunView, thread_id: str | None = None) -> None:
    """What was asked; with the conversation's id, to be edited."""
    with st.chat_message("user", avatar=USER_ICON):
        media.show_attachments(client, view.attachments)
        with st.container(horizontal=True, wrap=False, key=f"question-{view.run_id}"):
            if view.question:
                st.text(view.question, width="stretch")
            if thread_id:
                branching.edit_button(client, thread_id, view)


def _answer(view: RunView, where: DeltaGenerator) -> None:
    if view.text:
        where.markdown(safe_markdown(view.text) + ("" if view.is_over else " ▌"))


def _ending(view: RunView) -> None:
    if view.error:
        notice.error(view.error["message"], view.error["fix"])
    elif view.state == "cancelled":
        st.caption(":material/stop_circle: Stopped.")


def show_live(client: Client, run: Json) -> None:
    """Follow a run to its end, then show the page anew.

    Streamlit starts the script again at a click; the loop then ends at its next paint, and the new script takes up
    the same `Follower`.
    """
    view = RunView(run["id"])
    follower = _follower(client, run["id"])
    begun = datetime.fromisoformat(run["created_at"]).timestamp()
    done = follower.update(view, timeout=2.0)  # the first event says what was asked
    _question(client, view)
    st.html(SCROLL_DOWN, unsafe_allow_javascript=True)
    with st.chat_message("assistant", avatar=ASSISTANT_ICON):
        with st.container(horizontal=True, vertical_alignment="top", key="live"):
            status = st.status(view.headline, expanded=True)
            st.button(
                "Stop", key="stop", icon=":material/stop:", on_click=_stop, args=(client, run["id"]), type="primary"
            )
        with status:
            board = steps.Board(client)
        with st.container(key=f"answer-{run['id']}"):
            text = st.empty()
        results = st.container()
        shown = 0
        while True:
            board.paint(view)
            _answer(view, text)
            with results:
                media.show_results(client, view.artifacts[shown:])
            shown = len(view.artifacts)
            elapsed = time.time() - begun
            status.update(label=f"{view.headline} · {duration(elapsed)}", state="running", expanded=True)
            if done or approval.is_due(view):
                break
            time.sleep(FRAME_SECONDS)
            done = follower.update(view, TICK_SECONDS)
    if not done:
        approval.show(client, view)
        return
    st.session_state["followers"].pop(run["id"], None)
    st.rerun()


def _follower(client: Client, run_id: str) -> Follower:
    followers: dict[str, Follower] = st.session_state.setdefault("followers", {})
    if run_id not in followers:
        followers[run_id] = Follower(client, run_id)
    return followers[run_id]


def _resume(client: Client, run_id: str) -> None:
    try:
        client.resume(run_id)
    except ApiError as error:
        st.toast(f"Not resumed: {error}", icon=":material/error:")


def _stop(client: Client, run_id: str) -> None:
    try:
        client.cancel(run_id)
    except ApiError as error:
        st.toast(f"Not stopped: {error}", icon=":material/error:")
