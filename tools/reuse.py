"""Whether an earlier call may stand for making it again: by the tool, and by the models that worked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.catalog import ModelEntry
from engines.errors import NotFoundError
from engines.readiness import Shelf
from memory.events import Receipt
from tools.spec import ToolSpec
from tools.types import Danger


def is_reusable(spec: ToolSpec) -> bool:
    """Whether all that a call does is its result, and the arguments alone decide that."""
    return spec.repeatable and spec.danger is Danger.NONE


def is_still_chosen(
    shelf: Shelf, receipt: Receipt, args: Mapping[str, Any], fields: Mapping[str, Any] | None = None
) -> bool:
    """Whether the model of a receipt, in the same version, would be used for the call today. When in doubt: no.

    ``fields`` are those of the call's result: its ``language`` may be why the model was chosen.

    Looks at files. What a server runs under a name is not known, nor which models one works through that is made of
    others; so both count as another one.
    """
    try:
        entry = shelf.catalog.get(receipt.model)
    except NotFoundError:
        return False
    if entry.remote or entry.uses or shelf.readiness(entry).state != "ready":
        return False
    if (receipt.sha256 or "", receipt.revision) != (entry.sha256 or "", shelf.revision(entry)):
        return False
    is_named = entry.id in args.values()
    if is_named or shelf.resolve(entry.capability).id == entry.id:
        return True
    return _is_first_for_its_languages(shelf, entry, str((fields or {}).get("language")))


def _is_first_for_its_languages(shelf: Shelf, entry: ModelEntry, language: str) -> bool:
    """One that was chosen because of a language is chosen again as long as no other that knows it goes before. Where
    that ``language`` is none of the entry's, any of them may be it.
    """
    if not entry.pairs and not entry.languages:
        return False
    languages = {language} & set(entry.languages) or set(entry.languages)
    rivals = (
        other
        for other in shelf.ready(entry.capability)
        if set(other.pairs) & set(entry.pairs) or set(other.languages) & languages
    )
    return next((other.id for other in rivals), None) == entry.id
