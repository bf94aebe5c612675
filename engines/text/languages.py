"""Languages by name and by ISO 639-1 code."""

from __future__ import annotations

import re

from engines.errors import InputError

#: Code -> English name, then the names by which its speakers and others call it.
_LANGUAGES: dict[str, tuple[str, ...]] = {
    "af": ("Afrikaans",),
    "ar": ("Arabic", "العربية"),
    "bg": ("Bulgarian", "български"),
    "bn": ("Bengali", "বাংলা", "Bangla"),
    "ca": ("Catalan", "català"),
    "cs": ("Czech", "čeština"),
    "cy": ("Welsh", "Cymraeg"),
    "da": ("Danish", "dansk"),
    "de": ("German", "Deutsch"),
    "el": ("Greek", "ελληνικά"),
    "en": ("English",),
    "eo": ("Esperanto",),
    "es": ("Spanish", "español", "Castilian", "castellano"),
    "et": ("Estonian", "eesti"),
    "eu": ("Basque", "euskara"),
    "fa": ("Persian", "فارسی", "Farsi"),
    "fi": ("Finnish", "suomi"),
    "fr": ("French", "français"),
    "ga": ("Irish", "Gaeilge"),
    "gl": ("Galician", "galego"),
    "he": ("Hebrew", "עברית"),
    "hi": ("Hindi", "हिन्दी"),
    "hr": ("Croatian", "hrvatski"),
    "hu": ("Hungarian", "magyar"),
    "id": ("Indonesian", "Bahasa Indonesia"),
    "is": ("Icelandic", "íslenska"),
    "it": ("Italian", "italiano"),
    "ja": ("Japanese", "日本語"),
    "ko": ("Korean", "한국어"),
    "la": ("Latin", "latina"),
    "lt": ("Lithuanian", "lietuvių"),
    "lv": ("Latvian", "latviešu"),
    "ms": ("Malay", "Bahasa Melayu"),
    "nl": ("Dutch", "Nederlands"),
    "no": ("Norwegian", "norsk", "Bokmål"),
    "pl": ("Polish", "polski"),
    "pt": ("Portuguese", "português"),
    "ro": ("Romanian", "română"),
    "ru": ("Russian", "русский"),
    "sk": ("Slovak", "slovenčina"),
    "sl": ("Slovenian", "slovenščina", "Slovene"),
    "sr": ("Serbian", "српски"),
    "sv": ("Swedish", "svenska"),
    "sw": ("Swahili", "Kiswahili"),
    "ta": ("Tamil", "தமிழ்"),
    "th": ("Thai", "ไทย"),
    "tr": ("Turkish", "Türkçe"),
    "uk": ("Ukrainian", "українська"),
    "ur": ("Urdu", "اردو"),
    "vi": ("Vietnamese", "tiếng Việt"),
    "zh": ("Chinese", "中文", "Mandarin", "汉语"),
}

_CODES = {name.casefold(): code for code, names in _LANGUAGES.items() for name in (code, *names)}

#: Tags for the same language that are not its ISO 639-1 code.
_ALIASES = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "cmn": "zh"}


def language_code(language: str) -> str:
    """``"Spanish"``, ``"español"``, ``"es"``, ``"es-MX"`` -> ``"es"``. Raises InputError for what is none of these."""
    name = language.strip().casefold()
    tag = re.match(r"^([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*$", name)
    found = _CODES.get(name) or (tag and (_CODES.get(tag[1]) or _ALIASES.get(tag[1])))
    if not found:
        raise InputError(
            f"{language[:40]!r} is no language known here.", fix="Use a name or a code, as in Spanish or es."
        )
    return found


def language_name(code: str) -> str:
    """The English name; a code that is not known is its own name."""
    names = _LANGUAGES.get(code)
    return names[0] if names else code
