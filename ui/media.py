"""Pictures, players and files on the page. The bytes come through the page's own server, never from elsewhere."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError, Client, Json
from ui.words import duration, literal, size

PREVIEW_PX = 1024
"""Longer edge of a picture in an answer; the whole one is a click away."""

THUMBNAIL_PX = 256


@st.cache_data(max_entries=64, show_spinner=False)
def _thumbnail(_client: Client, artifact_id: str, pixels: int) -> bytes:
    return _client.thumbnail(artifact_id, pixels)


@st.cache_data(max_entries=16, show_spinner=False)
def _content(_client: Client, artifact_id: str) -> bytes:
    return _client.content(artifact_id)


def show_attachments(client: Client, artifacts: list[Json]) -> None:
    """What the user sent: small pictures side by side, then the rest."""
    pictures = [artifact for artifact in artifacts if artifact["kind"] == "image"]
    if pictures:
        with st.container(horizontal=True):
            for picture in pictures:
                _guarded(client, picture, THUMBNAIL_PX)
    for artifact in artifacts:
        if artifact not in pictures:
            _guarded(client, artifact, THUMBNAIL_PX)


def show_results(client: Client, artifacts: list[Json]) -> None:
    """What the tools made, one below the other."""
    for artifact in artifacts:
        _guarded(client, artifact, PREVIEW_PX)


def _guarded(client: Client, artifact: Json, pixels: int) -> None:
    """One artifact; one that can't be had leaves a line and the others in peace."""
    try:
        _show(client, artifact, pixels)
    except ApiError as error:
        st.caption(f":material/broken_image: {literal(artifact['name'])}: {literal(error.message)}")


def _show(client: Client, artifact: Json, pixels: int) -> None:
    link = f"[{_label(artifact)}]({client.content_url(artifact['id'])})"
    match artifact["kind"]:
        case "image" | "mask" | "depth":
            with st.container(width="content", gap="xsmall"):
                width = _shown_width(artifact, pixels)
                st.image(_thumbnail(client, artifact["id"], pixels), alt=artifact["name"], width=width)
                if pixels == PREVIEW_PX:
                    st.caption(link)
        case "audio":
            with st.container(gap="xsmall"):
                st.audio(_content(client, artifact["id"]), format=artifact["mime"], alt=artifact["name"])
                st.caption(link)
        case "video":
            st.video(_content(client, artifact["id"]), format=artifact["mime"])
            st.caption(link)
        case _:
            st.caption(f":material/description: {link}")


def _shown_width(artifact: Json, pixels: int) -> int:
    """In CSS px: small enough to leave the words in sight, and never larger than the picture."""
    width, height = artifact.get("width") or pixels, artifact.get("height") or pixels
    widest, highest = (480, 420) if pixels == PREVIEW_PX else (240, 160)
    return max(1, int(min(width, widest, width * highest / height)))


def _label(artifact: Json) -> str:
    """``dog.jpg - 640 x 480 - 81 kB``, safe inside a link."""
    parts = [literal(artifact["name"])]
    if artifact.get("width") and artifact.get("height"):
        parts.append(f"{artifact['width']} × {artifact['height']}")  # noqa: RUF001 - the sign for sizes in pixels
    if artifact.get("seconds"):
        parts.append(duration(artifact["seconds"]))
    return " · ".join([*parts, size(artifact["bytes"])])
