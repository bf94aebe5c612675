from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.names import safe_name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\photo.jpg", "photo.jpg"),
        ("/absolute/photo.jpg", "photo.jpg"),
        ("a\r\nSet-Cookie: x.png", "aSet-Cookie_ x.png"),
        ("nul\0byte.png", "nulbyte.png"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\u2066iso\u2069late.png", "isolate.png"),
        ("\ufeffmark.png", "mark.png"),
        ('<"a">|b?*.png', "__a___b__.png"),
        (".htaccess", "htaccess"),
        ("trailing. . .", "trailing"),
        ("..", "file"),
        ("", "file"),
        ("///", "file"),
        ("???", "file"),
        ("half\ud83d.png", "half.png"),
        ("CON.png", "_CON.png"),
        ("com1", "_com1"),
        ("console.png", "console.png"),
        ("größe 日本語 🙂.png", "größe 日本語 🙂.png"),
        ("family 👨‍👩‍👧.png", "family 👨‍👩‍👧.png"),
        ("می‌خواهم.png", "می‌خواهم.png"),
        ("Screenshot 9.41\u202fAM.png", "Screenshot 9.41 AM.png"),
        ("e\u0301.png", "é.png"),
    ],
)
def test_names(given_name: str, kept: str):
    assert safe_name(given_name) == kept


def test_a_long_name_keeps_its_suffix():
    name = safe_name("x" * 300 + ".tar.png")
    assert len(name) == 120
    assert name.endswith("x.png")
    assert len(safe_name("x" * 300)) == 120
    assert len(safe_name("a." + "x" * 300)) == 120


@given(st.text(max_size=400))
def test_whatever_is_given_the_name_is_safe(given_name: str):
    name = safe_name(given_name)
    assert 0 < len(name) <= 121  # one more for the underscore before a device's name
    assert not set(name) & set('/\\<>:"|?*')
    assert name not in (".", "..")
    assert not name.startswith((".", " "))
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)
    assert not any(
        unicodedata.bidirectional(char) in ("LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI") for char in name
    )
    assert safe_name(name) == name
