"""Names of languages and their ISO 639-1 codes, both ways."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from engines.errors import InputError


class Language(NamedTuple):
    """``others`` are more names and codes it goes by."""

    code: str
    english: str
    native: str
    others: tuple[str, ...] = ()


LANGUAGES: tuple[Language, ...] = (
    Language("en", "English", "English", ("eng",)),
    Language("zh", "Chinese", "中文", ("zho", "chi", "cmn", "Mandarin", "Mandarin Chinese", "汉语", "漢語", "普通话")),
    Language("es", "Spanish", "Español", ("spa", "Castilian", "Castellano")),
    Language("hi", "Hindi", "हिन्दी", ("hin", "हिंदी")),
    Language("ar", "Arabic", "العربية", ("ara",)),
    Language("pt", "Portuguese", "Português", ("por", "Brazilian", "Brazilian Portuguese")),
    Language("bn", "Bengali", "বাংলা", ("ben", "Bangla")),
    Language("ru", "Russian", "Русский", ("rus",)),
    Language("ja", "Japanese", "日本語", ("jpn", "jp")),
    Language("pa", "Punjabi", "ਪੰਜਾਬੀ", ("pan", "Panjabi")),
    Language("de", "German", "Deutsch", ("deu", "ger")),
    Language("jv", "Javanese", "Basa Jawa", ("jav", "jw")),
    Language("ko", "Korean", "한국어", ("kor",)),
    Language("fr", "French", "Français", ("fra", "fre")),
    Language("te", "Telugu", "తెలుగు", ("tel",)),
    Language("mr", "Marathi", "मराठी", ("mar",)),
    Language("tr", "Turkish", "Türkçe", ("tur",)),
    Language("ta", "Tamil", "தமிழ்", ("tam",)),
    Language("vi", "Vietnamese", "Tiếng Việt", ("vie",)),
    Language("ur", "Urdu", "اردو", ("urd",)),
    Language("it", "Italian", "Italiano", ("ita",)),
    Language("th", "Thai", "ไทย", ("tha", "ภาษาไทย")),
    Language("gu", "Gujarati", "ગુજરાતી", ("guj",)),
    Language("fa", "Persian", "فارسی", ("fas", "per", "Farsi")),
    Language("pl", "Polish", "Polski", ("pol",)),
    Language("uk", "Ukrainian", "Українська", ("ukr",)),
    Language("ml", "Malayalam", "മലയാളം", ("mal",)),
    Language("kn", "Kannada", "ಕನ್ನಡ", ("kan",)),
    Language("id", "Indonesian", "Bahasa Indonesia", ("ind", "in", "Bahasa")),
    Language("ms", "Malay", "Bahasa Melayu", ("msa", "may")),
    Language("tl", "Tagalog", "Filipino", ("tgl", "fil", "Pilipino")),
    Language("nl", "Dutch", "Nederlands", ("nld", "dut", "Flemish", "Vlaams")),
    Language("ro", "Romanian", "Română", ("ron", "rum", "Moldovan")),
    Language("el", "Greek", "Ελληνικά", ("ell", "gre")),
    Language("cs", "Czech", "Čeština", ("ces", "cze")),
    Language("hu", "Hungarian", "Magyar", ("hun",)),
    Language("sv", "Swedish", "Svenska", ("swe",)),
    Language("he", "Hebrew", "עברית", ("heb", "iw")),
    Language("da", "Danish", "Dansk", ("dan",)),
    Language("fi", "Finnish", "Suomi", ("fin",)),
    Language("no", "Norwegian", "Norsk", ("nor", "nb", "nob", "nn", "nno", "Bokmål", "Nynorsk")),
    Language("sk", "Slovak", "Slovenčina", ("slk", "slo")),
    Language("bg", "Bulgarian", "Български", ("bul",)),
    Language("hr", "Croatian", "Hrvatski", ("hrv",)),
    Language("sr", "Serbian", "Српски", ("srp", "Srpski")),
    Language("bs", "Bosnian", "Bosanski", ("bos",)),
    Language("sl", "Slovenian", "Slovenščina", ("slv", "Slovene")),
    Language("lt", "Lithuanian", "Lietuvių", ("lit",)),
    Language("lv", "Latvian", "Latviešu", ("lav",)),
    Language("et", "Estonian", "Eesti", ("est",)),
    Language("ca", "Catalan", "Català", ("cat", "Valencian")),
    Language("gl", "Galician", "Galego", ("glg",)),
    Language("eu", "Basque", "Euskara", ("eus", "baq")),
    Language("cy", "Welsh", "Cymraeg", ("cym", "wel")),
    Language("ga", "Irish", "Gaeilge", ("gle",)),
    Language("is", "Icelandic", "Íslenska", ("isl", "ice")),
    Language("sq", "Albanian", "Shqip", ("sqi", "alb")),
    Language("mk", "Macedonian", "Македонски", ("mkd", "mac")),
    Language("be", "Belarusian", "Беларуская", ("bel",)),
    Language("hy", "Armenian", "Հայերեն", ("hye", "arm")),
    Language("ka", "Georgian", "ქართული", ("kat", "geo")),
    Language("az", "Azerbaijani", "Azərbaycan", ("aze", "Azeri")),
    Language("kk", "Kazakh", "Қазақ", ("kaz",)),
    Language("ne", "Nepali", "नेपाली", ("nep",)),
    Language("sw", "Swahili", "Kiswahili", ("swa",)),
    Language("af", "Afrikaans", "Afrikaans", ("afr",)),
    Language("la", "Latin", "Latina", ("lat",)),
    Language("eo", "Esperanto", "Esperanto", ("epo",)),
)

_TAG = re.compile(r"^([a-z]{2,3})[-_][a-z0-9_.-]+$")


def language_code(name: str) -> str:
    """ISO 639-1 code of a code, an English or native name, or a regional tag such as pt-BR. Raises InputError."""
    wanted = _fold(name)
    tag = _TAG.match(wanted)
    found = _codes().get(wanted) or (tag and _codes().get(tag[1]))
    if not found:
        raise InputError(f"{name!r} is not a language I know.", fix="Give its English name or ISO 639-1 code.")
    return found


def language_name(code: str) -> str:
    """The English name, for people: of a code that is not in the table, the code itself."""
    try:
        return _names()[language_code(code)]
    except InputError:
        return code


def _fold(name: str) -> str:
    """Case and accents don't matter where a name is typed by hand."""
    plain = unicodedata.normalize("NFKD", name.strip().casefold())
    return unicodedata.normalize("NFC", "".join(char for char in plain if unicodedata.category(char) != "Mn"))


@cache
def _codes() -> dict[str, str]:
    return {
        _fold(name): language.code
        for language in LANGUAGES
        for name in (language.code, language.english, language.native, *language.others)
    }


@cache
def _names() -> dict[str, str]:
    return {language.code: language.english for language in LANGUAGES}
