"""The types of tool parameters and results, as the planner, the API and the page see them.

In Python a reference is a ``str`` (an artifact's id). What it refers to is said by an annotation, from which the plan
schema learns which attachments and which earlier results fit where.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

MediaKind = Literal["image", "audio", "video", "text"]


@dataclass(frozen=True, slots=True)
class Media:
    """Marks a parameter or a result field that holds media of a kind."""

    kind: MediaKind
    overlay: bool = False
    """Only shows what was found, as boxes drawn on a picture do: people see it, later steps take the original."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a parameter whose values come from the engine behind the tool, such as its languages or labels."""

    choices: str
    """Their name among the choices that `agent.app` gathers, such as ``object-labels``."""
    named: bool = False
    """As with `Planned`: only when the request names the value."""
    free: bool = False
    """They are examples: other words are understood too."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Marks an option that the planner may set when the request asks for it. Other options are left to their defaults:
    small models guess them otherwise.
    """

    named: bool = False
    """Only when the request names the option or its value: small models set it unasked, and it costs something."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Marks a permission: true only when the user says in so many words that the person whose voice or likeness it is
    agrees. A planner can neither see nor set it.
    """


@dataclass(frozen=True, slots=True)
class Multiple:
    """Marks a number of times that a request may say ("twice", "3x"). Where it does and a plan does not, it is set."""


ImageRef = Annotated[str, Media("image")]
OverlayRef = Annotated[str, Media("image", overlay=True)]
AudioRef = Annotated[str, Media("audio")]
VideoRef = Annotated[str, Media("video")]
OverlayVideoRef = Annotated[str, Media("video", overlay=True)]
#: A model of the catalog, for users who want another one than the best that is ready.
ModelId = Annotated[str | None, Field(description="a model's id; none: the best that is ready")]
#: Text itself, not a reference; in a plan it may also be an earlier step's text.
Text = Annotated[str, Media("text"), Field(min_length=1)]


class Danger(StrEnum):
    """What a user may want to be asked about first."""

    NONE = "none"
    PAID = "paid"
    CONSENT = "consent"
    """Concerns another person's voice or likeness."""
    DANGEROUS = "dangerous"
    """Can do what can't be undone."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A hint for the planner and the user, per call: seconds of work on two CPU cores, and US dollars of a service."""

    seconds: float
    dollars: float = 0.0


class ToolResult(BaseModel):
    """Base of every result. Fields marked as media can feed later steps."""

    model_config = ConfigDict(frozen=True)

    shows_text: ClassVar[bool] = False
    """The text is what the user asked for (a transcript, a translation), so clients show it in full."""

    is_the_answer: ClassVar[bool] = False
    """Where nothing else was asked for, the text is the answer, word for word: small models spoil it in retelling."""

    @property
    def is_empty(self) -> bool:
        """Whether what was looked for is not there, so that steps which build on it have nothing to build on."""
        return False

    def summary(self) -> str:
        """The result in a sentence or two, for the chat model and for people."""
        raise NotImplementedError  # every result says it in its own words
