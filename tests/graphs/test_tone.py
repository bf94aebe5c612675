"""The tone heeds a mood that is strong enough."""

from __future__ import annotations

from graphs.tone import tone_line


def test_only_a_strong_mood_changes_the_tone() -> None:
    assert "upset" in tone_line({"sentiment": "negative", "score": -0.7})
    assert "glad" in tone_line({"sentiment": "positive", "score": 0.7})
    assert tone_line({"sentiment": "negative", "score": -0.2}) == ""
    assert tone_line({"sentiment": "neutral", "score": 0.0}) == ""
    assert tone_line({}) == ""
