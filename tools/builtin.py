"""The tools that come with the product, in the order in which the planner sees them."""

from __future__ import annotations

from tools.audio.detect_speech import detect_speech
from tools.audio.speak import speak
from tools.audio.transcribe_audio import transcribe_audio
from tools.image.detect_objects import detect_objects
from tools.spec import ToolSpec
from tools.text.analyze_sentiment import analyze_sentiment
from tools.text.translate import translate

BUILT_IN: tuple[ToolSpec, ...] = (
    detect_objects,
    transcribe_audio,
    detect_speech,
    speak,
    translate,
    analyze_sentiment,
)
