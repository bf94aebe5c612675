"""What an artifact is: the words that events, tools, the store and the API share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

ArtifactKind = Literal["image", "audio", "video", "text", "mask", "boxes", "depth", "embedding"]


class ArtifactRef(BaseModel):
    """Names an artifact; never its bytes. ``width`` and ``height`` in px, ``seconds`` of sound or video."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: ArtifactKind
    mime: str
    name: str
    bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


class Lineage(BaseModel):
    """What made an artifact: enough to make it again."""

    model_config = ConfigDict(frozen=True)

    tool: str
    """The tool's name, or ``upload``."""
    args: dict[str, Any] = {}
    models: tuple[dict[str, Any], ...] = ()
    """``{"id", "sha256", "revision"}`` of each model that took part."""
    seed: int | None = None
    parents: tuple[str, ...] = ()
    """Ids of the artifacts it was made from."""
    call: str = ""
    """The id of the tool's call: artifacts of one call share it."""
    seconds: float | None = None
    """How long the call had worked when the artifact was made."""
    replay_of: str | None = None
    """The artifact that the call was to make again."""
