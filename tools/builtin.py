"""The tools that come with the product, in the order in which the planner sees them."""

from __future__ import annotations

from tools.audio import detect_speech, speak, transcribe_audio
from tools.image import detect_objects
from tools.spec import ToolSpec
from tools.text import analyze_sentiment, translate

BUILT_IN: tuple[ToolSpec, ...] = (
    detect_objects,
    transcribe_audio,
    detect_speech,
    speak,
    translate,
    analyze_sentiment,
)
