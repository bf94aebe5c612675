"""Voice messages: a recording whose words are the message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engines.errors import InputError
from engines.protocols import Audio, Span, SpeechToText, Transcript, VoiceActivity
from tools.call import ToolCall

#: Kept before and after what is said, in seconds: words must not be clipped.
_MARGIN = 0.3


def voice_of(message: str, attachments: Sequence[Mapping[str, Any]], marked: str | None) -> Mapping[str, Any] | None:
    """The attachment whose words are the message: the one that is marked, or a recording that comes without a word and
    alone. None: the message is what was written.

    Raises InputError when what is marked is no recording.
    """
    if marked is not None:
        found = next((ref for ref in attachments if ref["id"] == marked), None)
        if found is None or found["kind"] != "audio":
            raise InputError("The voice message is no recording.", fix="Mark an attached sound file as the voice.")
        return found
    if not message.strip() and len(attachments) == 1 and attachments[0]["kind"] == "audio":
        return attachments[0]
    return None


async def write_down(call: ToolCall, recording: Mapping[str, Any]) -> Transcript:
    """What is said in a recording. Raises InputError when nobody speaks, and MediaError when it can't be read."""
    sound = await call.audio(recording["id"])
    async with call.use(VoiceActivity) as lease:
        spans = await lease.run(lambda engine, cancel: engine.detect(sound, cancel=cancel))
    if not spans:
        raise _nothing(recording["name"], f"Nobody speaks in its {sound.seconds:.1f} s")
    spoken = cut_to(sound, spans)
    async with call.use(SpeechToText) as lease:
        transcript = await lease.run(lambda engine, cancel: engine.transcribe(spoken, cancel=cancel))
    if not transcript.text.strip():
        raise _nothing(recording["name"], "No words could be made out")
    return transcript


def cut_to(sound: Audio, spans: Sequence[Span]) -> Audio:
    """From the first word to the last, without the silence around them."""
    start = max(0, int((spans[0].start - _MARGIN) * sound.rate))
    end = min(len(sound.samples), int((spans[-1].end + _MARGIN) * sound.rate))
    return Audio(np.ascontiguousarray(sound.samples[start:end]), sound.rate)


def _nothing(name: str, why: str) -> InputError:
    return InputError(f"No speech was heard in {name}: {why}.", fix="Record it again, or write the message.")
