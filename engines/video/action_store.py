"""Where the actions are kept that a user has shown: one small file an example, in a folder of theirs."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from engines.errors import InputError, NotFoundError
from engines.protocols import UNKNOWN_ACTION, ActionExample

_LABEL: Final = re.compile(r"\w[\w '-]{0,38}\w|\w", re.UNICODE)
_DAMAGED: Final = (
    OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a file raises in which any byte may be wrong; RuntimeError: it says that it is encrypted."""
MOST_EXAMPLES: Final = 20
"""Of one action: each is compared with every stretch of a clip."""


@dataclass(frozen=True, slots=True)
class KnownAction:
    """``examples`` counts them; ``seconds`` is how long they are together."""

    label: str
    examples: int
    seconds: float


class ActionStore:
    """Blocking; the files are small. Several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, example: ActionExample) -> None:
        """Raises InputError for a name that won't do, or for one example too many."""
        import numpy as np

        check_label(example.label)
        if sum(known.label == example.label for known in self.examples()) >= MOST_EXAMPLES:
            raise InputError(
                f"There are {MOST_EXAMPLES} examples of {example.label!r} already.",
                fix=f"Remove them first: sensorium actions remove '{example.label}'",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{uuid4().hex}.npz"
        np.savez_compressed(
            unfinished,
            label=np.array(example.label),
            seconds=np.array(example.seconds),
            features=example.features.astype(np.float32),
        )
        unfinished.replace(self._folder / f"{uuid4().hex}.npz")  # whole or not at all

    def examples(self) -> tuple[ActionExample, ...]:
        """All of them, by label. A file that is damaged is passed over."""
        found = [example for path in self._files() if (example := _read(path)) is not None]
        return tuple(sorted(found, key=lambda example: example.label))

    def known(self) -> tuple[KnownAction, ...]:
        examples = self.examples()
        labels = dict.fromkeys(example.label for example in examples)
        return tuple(
            KnownAction(
                label,
                sum(example.label == label for example in examples),
                sum(example.seconds for example in examples if example.label == label),
            )
            for label in labels
        )

    def remove(self, label: str) -> int:
        """Forget an action; says how many examples there were. Raises NotFoundError when it isn't known."""
        mine = [path for path in self._files() if (example := _read(path)) is not None and example.label == label]
        if not mine:
            labels = ", ".join(action.label for action in self.known())
            raise NotFoundError(
                f"No action is called {label!r}.", fix=f"Known: {labels}." if labels else "None has been shown yet."
            )
        for path in mine:
            path.unlink(missing_ok=True)
        return len(mine)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[!.]*.npz"))


def check_label(label: str) -> None:
    """Raises InputError for a name that an answer could not show as it is."""
    if not _LABEL.fullmatch(label) or label == UNKNOWN_ACTION:
        raise InputError(
            f"{label!r} can't be the name of an action.", fix="Use up to 40 letters, digits, spaces and hyphens."
        )


def _read(path: Path) -> ActionExample | None:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as data:
            example = ActionExample(str(data["label"]), float(data["seconds"]), data["features"].astype(np.float32))
    except _DAMAGED:
        return None
    return example if example.features.ndim == 2 and len(example.features) > 1 else None
