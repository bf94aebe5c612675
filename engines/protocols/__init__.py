"""What each capability promises, whichever library is behind it.

Engines are plain and blocking: Python types and numpy arrays in, small frozen dataclasses out, units in the names.
The `ModelController` runs them in threads. An engine is built as ``EngineClass(context: LoadContext)``, which loads it,
and gives its memory back in ``close()``. Importing an engine's module imports no heavy library.

A capability is known by the ``capability`` of its Protocol; the catalog uses the same names.
"""

from engines.protocols.chat import Chat, ChatReply, ChatRequest, ChatTurn, Role
from engines.protocols.cloning import ClonedSpeech, SpeakerEmbedding, VoiceCloning, VoiceConversion
from engines.protocols.detection import Box, ObjectDetection
from engines.protocols.engine import Engine
from engines.protocols.image_making import (
    ControlKind,
    ControlledGeneration,
    EditMode,
    GeneratedImage,
    ImageEditing,
    ImageGeneration,
    ImageUpscaling,
    MakingKind,
)
from engines.protocols.sound import (
    Audio,
    OnAudio,
    OnSegment,
    Segment,
    Span,
    SpeechTask,
    SpeechToText,
    TextToSpeech,
    Transcript,
    Voice,
    VoiceActivity,
    Word,
    ignore_audio,
    ignore_segment,
)
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
    "ClonedSpeech",
    "ControlKind",
    "ControlledGeneration",
    "EditMode",
    "Engine",
    "GeneratedImage",
    "ImageEditing",
    "ImageGeneration",
    "ImageUpscaling",
    "LanguageGuess",
    "LanguageIdentification",
    "MakingKind",
    "ObjectDetection",
    "OnAudio",
    "OnSegment",
    "Role",
    "Segment",
    "Sentiment",
    "SentimentAnalysis",
    "Span",
    "SpeakerEmbedding",
    "SpeechTask",
    "SpeechToText",
    "TextEmbedding",
    "TextToSpeech",
    "Transcript",
    "Translated",
    "Translation",
    "Voice",
    "VoiceActivity",
    "VoiceCloning",
    "VoiceConversion",
    "Word",
    "ignore_audio",
    "ignore_segment",
]
