"""What each capability promises, whichever library is behind it.

Engines are plain and blocking: Python types and numpy arrays in, small frozen dataclasses out, units in the names.
The `ModelController` runs them in threads. An engine is built as ``EngineClass(context: LoadContext)``, which loads it,
and gives its memory back in ``close()``. Importing an engine's module imports no heavy library.

A capability is known by the ``capability`` of its Protocol; the catalog uses the same names.
"""

from engines.protocols.chat import Chat, ChatReply, ChatRequest, ChatTurn, Role
from engines.protocols.detection import Box, ObjectDetection
from engines.protocols.engine import Engine
from engines.protocols.sound import Audio, Segment, Span, SpeechToText, TextToSpeech, Transcript, Voice, VoiceActivity
from engines.protocols.text import (
    LanguageGuess,
    LanguageIdentification,
    Sentiment,
    SentimentAnalysis,
    TextEmbedding,
    Translated,
    Translation,
)

__all__ = [
    "Audio",
    "Box",
    "Chat",
    "ChatReply",
    "ChatRequest",
    "ChatTurn",
    "Engine",
    "LanguageGuess",
    "LanguageIdentification",
    "ObjectDetection",
    "Role",
    "Segment",
    "Sentiment",
    "SentimentAnalysis",
    "Span",
    "SpeechToText",
    "TextEmbedding",
    "TextToSpeech",
    "Transcript",
    "Translated",
    "Translation",
    "Voice",
    "VoiceActivity",
]
