"""LangGraph's own serializer, made smaller: most of a checkpoint is names, versions and what was said before."""

from __future__ import annotations

import zlib
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

_SUFFIX = "/zlib"

#: What is shorter is not worth the work, in bytes.
_WORTH_IT = 200


class CompactSerializer(JsonPlusSerializer):
    """Reads what `JsonPlusSerializer` wrote, too."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        type_, data = super().dumps_typed(obj)
        if len(data) < _WORTH_IT:
            return type_, data
        return type_ + _SUFFIX, zlib.compress(data)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        type_, stored = data
        if type_.endswith(_SUFFIX):
            return super().loads_typed((type_.removesuffix(_SUFFIX), zlib.decompress(stored)))
        return super().loads_typed(data)
