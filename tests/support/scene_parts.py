"""The parts a vector scene works through, small enough for tests: a chat that reads one scene, letters for meaning."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import numpy as np
from numpy.typing import NDArray

from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols import ChatReply, ChatRequest

ENTRIES = """
[[model]]
id = "scene-chat"
title = "A chat that reads one scene"
capability = "chat"
engine = "scene_parts:SceneChat"
licence = "Apache-2.0"
default = true
options = {{ scene = '{scene}' }}

[[model]]
id = "letters"
title = "Letters for meaning"
capability = "text-embedding"
engine = "scene_parts:Letters"
licence = "Apache-2.0"
default = true
"""


class SceneChat:
    """Answers every request with the scene it was given, which must fit the request's schema."""

    capability: ClassVar[str] = "chat"
    context_tokens = 8192

    def __init__(self, context: LoadContext | Mapping[str, Any]) -> None:
        if isinstance(context, LoadContext):
            self.scene = json.loads(context.entry.options["scene"])
        else:
            self.scene = dict(context)
        self.asked: list[ChatRequest] = []
        self.english = ""
        """Its translation of every description; empty: as it is."""

    def close(self) -> None:
        """Nothing to free."""

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def complete(
        self, request: ChatRequest, *, on_token: Callable[[str], None] | None = None, cancel: CancelToken = NEVER
    ) -> ChatReply:
        cancel.check()
        self.asked.append(request)
        if request.json_schema is None:  # it is asked for the description in English
            return ChatReply(self.english or request.messages[-1].content, "stop", 1, 1)
        jsonschema.validate(self.scene, request.json_schema)
        return ChatReply(json.dumps(self.scene), "stop", 1, 1)


class Letters:
    """Embeds a text as the letter pairs in it: like spellings are near, whatever they mean."""

    capability: ClassVar[str] = "text-embedding"

    def __init__(self, context: LoadContext | None = None) -> None:
        self.embedded = 0

    def close(self) -> None:
        """Nothing to free."""

    def embed(self, texts: Sequence[str], *, cancel: CancelToken = NEVER) -> NDArray[np.float32]:
        self.embedded += len(texts)
        rows = np.full((len(texts), 256), 1e-6, np.float32)
        for row, text in zip(rows, texts, strict=True):
            cancel.check()
            word = f" {text.removeprefix('a picture of a ')} "
            for pair in pairwise(word):
                row[zlib.crc32("".join(pair).encode()) % 256] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_scene_parts(home: Path, scene: Mapping[str, Any]) -> None:
    """Make them the default chat and embedding of everything that runs with ``SENSORIUM_HOME=home``."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "catalog.toml").write_text(ENTRIES.format(scene=json.dumps(scene)), "utf-8")
