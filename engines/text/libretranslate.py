"""Translation by a LibreTranslate server (``POST /translate``, ``GET /languages``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from engines.errors import EngineError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.text.languages import LANGUAGES
from engines.text.sentence_translation import SentenceTranslation
from engines.text.waiting import within

if TYPE_CHECKING:
    import httpx

#: The server's names of languages that it calls otherwise than ISO 639-1, or by script.
_SERVERS_OWN = {"no": ("nb", "no"), "zh": ("zh", "zh-Hans")}


class LibreOptions(BaseModel):
    """``timeout_seconds``: for each request. ``sentence_chars``: longest part of a text that is sent at once."""

    model_config = ConfigDict(extra="forbid")

    timeout_seconds: float = Field(default=30, gt=0)
    sentence_chars: int = Field(default=1_000, ge=100)


class LibreTranslate(SentenceTranslation):
    """`Translation` over HTTP. The setting is the server's address; the optional one its key.

    Loading asks nothing of the server; the first question is which languages it has.
    """

    batch = 10

    def __init__(self, context: LoadContext) -> None:
        import httpx

        super().__init__(context.entry)
        options = LibreOptions.model_validate(dict(context.entry.options))
        self._seconds = options.timeout_seconds
        self._longest = options.sentence_chars
        self._key = context.optional_setting
        self._client = httpx.Client(base_url=context.setting.rstrip("/"), timeout=options.timeout_seconds)
        self._pairs: dict[str, list[str]] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes the server translates into. Raises EngineError when it doesn't answer."""
        offered = {code for targets in self._known_pairs().values() for code in targets}
        return tuple(language.code for language in LANGUAGES if _code_among(language.code, offered))

    def offers(self, source: str | None, target: str) -> bool:
        """See `engines.protocols.Translation`. The server detects a source that isn't known."""
        pairs = self._known_pairs()
        if source is None:
            return any(_code_among(target, targets) for targets in pairs.values())
        from_code = _code_among(source, pairs)
        return bool(from_code) and bool(_code_among(target, pairs[from_code]))

    def close(self) -> None:
        self._client.close()

    def _short_enough(self, text: str) -> bool:
        return len(text) <= self._longest

    def _translate(self, texts: list[str], source: str | None, target: str, cancel: CancelToken) -> list[str]:
        pairs = self._known_pairs()
        from_code = _code_among(source, pairs) if source else "auto"
        targets = {code for codes in pairs.values() for code in codes}
        body = {"q": texts, "source": from_code, "target": _code_among(target, targets), "format": "text"}
        if self._key:
            body["api_key"] = self._key
        answer = self._ask("POST", "/translate", cancel, json=body)
        made = answer.get("translatedText") if isinstance(answer, dict) else None
        if not isinstance(made, list) or not all(isinstance(text, str) for text in made):
            raise EngineError("The LibreTranslate server gave an answer without a translation.", fix=_FIX)
        return made

    def _known_pairs(self) -> dict[str, list[str]]:
        """Language -> those it can be translated into, by the server's own codes; asked once."""
        if not self._pairs:
            answer = self._ask("GET", "/languages", NEVER)
            try:
                codes = [str(item["code"]) for item in answer]
                self._pairs = {str(item["code"]): list(item.get("targets") or codes) for item in answer}
            except (TypeError, KeyError, AttributeError) as error:
                raise EngineError("The LibreTranslate server does not say which languages it has.", fix=_FIX) from error
        return self._pairs

    def _ask(self, method: str, path: str, cancel: CancelToken, **what: Any) -> Any:
        import httpx

        try:
            response = within(
                self._seconds,
                lambda: self._client.request(method, path, **what),
                what="The LibreTranslate server",
                cancel=cancel,
            )
        except httpx.HTTPError as error:
            raise EngineError(f"The LibreTranslate server can't be reached: {_plain(error)}.", fix=_FIX) from error
        if response.status_code != 200:
            raise EngineError(f"The LibreTranslate server refused: {_reason(response)}.", fix=_FIX)
        try:
            return response.json()
        except ValueError as error:
            raise EngineError("The LibreTranslate server's answer is no JSON.", fix=_FIX) from error


_FIX = "Check SENSORIUM_LIBRETRANSLATE_URL and SENSORIUM_LIBRETRANSLATE_KEY."


def _code_among(code: str, offered: Any) -> str:
    return next((name for name in _SERVERS_OWN.get(code, (code,)) if name in offered), "")


def _plain(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _reason(response: httpx.Response) -> str:
    """The server's own words, shortened, or the status alone."""
    try:
        said = str(response.json()["error"]).strip().rstrip(".")
    except (ValueError, KeyError, TypeError):
        said = ""
    return f"{response.status_code}, {said[:200]}" if said else f"status {response.status_code}"
