"""What the tools that take on a person's voice share: permission, the reference, and how alike it is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from pydantic import Field

from engines.audio.read import read_audio
from engines.audio.reference import voice_sample
from engines.errors import ConsentError, InputError
from engines.progress import CancelToken
from engines.protocols import Audio, SpeakerEmbedding, VoiceActivity
from tools.call import ToolCall
from tools.types import Granted

_RATE: Final = 24_000
"""Hz. What cloning models listen to; the 16 kHz of other tools would dull the voice."""

Consent = Annotated[bool, Granted(), Field(description="the person whose voice it is agrees, as the user says")]


def check_consent(consent: bool) -> None:
    """Raises ConsentError."""
    if not consent:
        raise ConsentError(
            "Cloning a voice needs the speaker's permission.",
            fix="Say that you have it (or that it is your own voice), or set consent=true.",
        )


async def recording(call: ToolCall, artifact_id: str) -> Audio:
    """The sound of a recording or video, mono at 24 kHz. Raises NotFoundError or MediaError."""
    path, name = await call.path(artifact_id), await call.name(artifact_id)
    cancel = CancelToken()
    try:
        return await asyncio.to_thread(
            read_audio, path, rate=_RATE, limits=call.workshop.limits, cancel=cancel, name=name
        )
    finally:
        cancel.set()  # when the call is cancelled, its thread stops reading


async def reference_voice(call: ToolCall, artifact_id: str) -> tuple[Audio, str]:
    """The speech in a reference, and a note on it, or nothing. Raises InputError when it can't serve as one."""
    sound = await recording(call, artifact_id)
    async with call.use(VoiceActivity) as ears:
        spans = await ears.run(lambda engine, cancel: engine.detect(sound, cancel=cancel))
    return voice_sample(sound, spans)


async def likeness(call: ToolCall, one: Audio, other: Audio) -> float | None:
    """How alike two voices sound, 0..1; None: there is too little speech to tell."""

    async def embedding(sound: Audio) -> list[float]:
        async with call.use(SpeakerEmbedding) as encoder:
            vector = await encoder.run(lambda engine, cancel: engine.embed(sound, cancel=cancel))
        return [float(value) for value in vector]

    try:
        pairs = zip(await embedding(one), await embedding(other), strict=True)
    except InputError:
        return None
    return sum(first * second for first, second in pairs)


def in_words(similarity: float | None) -> str:
    """`` Likeness ...``: what the speaker encoder says, with what it says of one person's recordings."""
    return f" Likeness to the recording: {similarity:.2f} (one person: 0.8 and more)." if similarity is not None else ""
