"""The tools that come with the product, in the order in which the planner sees them."""

from __future__ import annotations

from tools.audio.clone_voice import clone_voice
from tools.audio.convert_voice import convert_voice
from tools.audio.detect_speech import detect_speech
from tools.audio.speak import speak
from tools.audio.transcribe_audio import transcribe_audio
from tools.image.caption_image import caption_image
from tools.image.classify_image import classify_image
from tools.image.controlnet_image import controlnet_image
from tools.image.detect_objects import detect_objects
from tools.image.edit_image import edit_image
from tools.image.estimate_depth import estimate_depth
from tools.image.generate_image import generate_image
from tools.image.read_text import read_text
from tools.image.segment_image import segment_image
from tools.image.upscale_image import upscale_image
from tools.spec import ToolSpec
from tools.text.analyze_sentiment import analyze_sentiment
from tools.text.detect_emotion import detect_emotion
from tools.text.detect_language import detect_language
from tools.text.forget import forget
from tools.text.remember import remember
from tools.text.translate import translate
from tools.video.enrol_action import enrol_action
from tools.video.recognize_action import recognize_action
from tools.video.track_body import track_body
from tools.video.track_objects import track_objects

BUILT_IN: tuple[ToolSpec, ...] = (
    detect_objects,
    classify_image,
    caption_image,
    read_text,
    segment_image,
    estimate_depth,
    generate_image,
    edit_image,
    upscale_image,
    controlnet_image,
    track_objects,
    track_body,
    recognize_action,
    enrol_action,
    transcribe_audio,
    detect_speech,
    speak,
    clone_voice,
    convert_voice,
    translate,
    analyze_sentiment,
    detect_emotion,
    detect_language,
    remember,
    forget,
)
