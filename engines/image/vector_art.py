"""The pictures that vector scenes are made of: Fluent Emoji flat art (Microsoft, MIT), found by what people call it.

The art, its labels and tags lie in `engines/data/fluent`; `benchmarks/pack_fluent_art.py` packs them. A word finds its
picture by name first, and by the nearness of its sentence embedding to the labels' otherwise.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engines.progress import NEVER, CancelToken
from engines.protocols import TextEmbedding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLUENT: Final = Path(__file__).parents[1] / "data" / "fluent"

#: A word whose nearest label is less alike than this (cosine) has no picture. Chosen by `benchmarks/vector_nouns.py`.
NEAR_ENOUGH: Final = 0.79

#: A tag, or the last word of a compound, gives a picture whose label is at least this near to the whole word.
NEAR_ENOUGH_WHEN_NAMED: Final = 0.7

_AS_TEXT: Final = "a picture of a {}"
"""Bare words are compared by their spelling as much as by their meaning: trampoline was near tram."""

_NO_NOUNS: Final = {
    *("arrow", "geometric", "math", "currency", "other-symbol", "zodiac", "transport-sign", "warning", "time"),
    *("hand-prop", "hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed", "hands"),
    *("person-gesture", "flag", "religion", "emotion"),
}
"""Families whose pictures are found by their own name only: signs and gestures."""


@dataclass(frozen=True, slots=True)
class Art:
    """A picture. ``box`` is what is painted (left, top, right, bottom) of its 32 x 32 units; ``svg`` is its body."""

    name: str
    label: str
    tags: tuple[str, ...]
    group: str
    box: tuple[float, float, float, float]
    svg: str

    @property
    def aspect(self) -> float:
        """Width over height of what is painted."""
        left, top, right, bottom = self.box
        return (right - left) / (bottom - top)


@dataclass(frozen=True, slots=True)
class Found:
    """The picture for a word. ``exact``: it is called so; otherwise it stands in, being the nearest."""

    art: Art
    exact: bool
    coloured: bool = False
    """The art has the colour that was asked for already, as the black cat has."""


class ArtShelf:
    """Finds pictures. ``embedding`` is asked only for words that no picture is called; ``cache`` keeps the labels'
    embeddings between processes.
    """

    def __init__(self, embedding: TextEmbedding, cache: Path | None = None) -> None:
        self._embedding = embedding
        self._cache = cache
        self._art = {art.name: art for art in (*packed_art(), *_own())}
        self.words = SceneWords.read()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._art)

    def __getitem__(self, name: str) -> Art:
        return self._art[name]

    def has(self, noun: str) -> bool:
        """Whether a picture is called so."""
        noun = self.words.singular(noun)
        alias = self.words.alias.get(noun.replace(" ", "-"))
        return bool(alias) if alias is not None else noun in self._by_label

    def find(self, noun: str, colour: str = "", *, cancel: CancelToken = NEVER) -> Found | None:
        """The picture of a noun, in English; None when there is none near enough."""
        noun = self.words.singular(noun)
        if not noun:
            return None
        if colour and (art := self._by_label.get(f"{colour} {noun}")):
            return Found(art, exact=True, coloured=True)
        key = noun.replace(" ", "-")
        if key in self.words.alias:
            name = self.words.alias[key]
            return Found(self._art[name], exact=True) if name else None
        if art := self._by_label.get(noun) or self._art.get(key):
            return Found(art, exact=True)
        for part in noun.split(" of ") if " of " in noun else ():  # a cup of coffee, a slice of pizza
            if self.has(part) and (named := self._by_head(self.words.singular(part))):
                return Found(named, exact=False)
        return self._nearest(noun, cancel)

    def _nearest(self, noun: str, cancel: CancelToken) -> Found | None:
        """By a tag, by the last word of a compound, or by meaning alone: the first that is near enough."""
        near = self._likeness(noun, cancel)
        named = list(self._by_tag.get(noun, ()))
        head = noun.rpartition(" ")[2]
        if head != noun and (art := self._by_head(head)):
            named.append(art)
        # Being named by a tag or by a compound's last word is worth a little likeness.
        scores = {art.name: near.get(art.name, 0.0) + NEAR_ENOUGH - NEAR_ENOUGH_WHEN_NAMED for art in named}
        best = max(near, key=lambda name: near[name])
        scores[best] = max(scores.get(best, 0.0), near[best])
        name = max(scores, key=lambda name: scores[name])
        return Found(self._art[name], exact=False) if scores[name] >= NEAR_ENOUGH else None

    def likeness(self, noun: str, cancel: CancelToken = NEVER) -> tuple[str, float]:
        """The art whose label is nearest in meaning, and how near (cosine)."""
        near = self._likeness(self.words.singular(noun), cancel)
        name = max(near, key=lambda name: near[name])
        return name, near[name]

    def _by_head(self, head: str) -> Art | None:
        if name := self.words.alias.get(head):
            return self._art[name]
        return self._by_label.get(head)

    @cached_property
    def _by_label(self) -> Mapping[str, Art]:
        return {art.label.lower(): art for art in self._art.values()}

    @cached_property
    def _by_tag(self) -> Mapping[str, list[Art]]:
        found: dict[str, list[Art]] = defaultdict(list)
        for art in self._nouns:
            for tag in art.tags:
                found[tag.lower()].append(art)
        return found

    @cached_property
    def _nouns(self) -> Sequence[Art]:
        return [art for art in self._art.values() if art.group not in _NO_NOUNS and not art.group.startswith("face-")]

    # ------------------------------------------------------------------------------------------------------ meaning

    def _likeness(self, noun: str, cancel: CancelToken) -> Mapping[str, float]:
        rows = self._rows(cancel)
        query = self._embedding.embed([_AS_TEXT.format(noun)], cancel=cancel)[0]
        return {art.name: float(score) for art, score in zip(self._nouns, rows @ query, strict=True)}

    def _rows(self, cancel: CancelToken) -> NDArray[np.float32]:
        """The labels' embeddings, shape (labels, dimensions): of this process, of an earlier one, or made now."""
        import numpy as np

        if (known := getattr(self, "_kept_rows", None)) is not None:
            return known  # type: ignore[no-any-return] # set below only
        labels = [_AS_TEXT.format(art.label) for art in self._nouns]
        # Another embedding model gives other vectors: the first label's tells which one made a file.
        probe = self._embedding.embed(labels[:1], cancel=cancel)
        mark = hashlib.sha256(("\n".join(labels)).encode() + np.round(probe, 3).tobytes()).hexdigest()[:16]
        path = self._cache / f"fluent-labels-{mark}.npy" if self._cache else None
        rows = _read_rows(path, (len(labels), probe.shape[1])) if path else None
        if rows is None:
            rows = self._embedding.embed(labels, cancel=cancel)
            if path:
                _write_rows(path, rows)
        self._kept_rows: NDArray[np.float32] = rows
        return rows


class SceneWords:
    """`words.toml`: aliases, plurals, sizes and where things belong."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.alias: Mapping[str, str] = data["alias"]
        self._irregular: Mapping[str, str] = data["irregular"]
        sizes = dict(data["size"])
        self._art_sizes: Mapping[str, float] = sizes.pop("art")
        self._group_sizes: Mapping[str, float] = sizes
        self._surfaces: Mapping[str, float] = data["surface"]
        self._habitat: Mapping[str, Sequence[str]] = data["habitat"]

    @classmethod
    def read(cls) -> SceneWords:
        return cls(tomllib.loads((FLUENT / "words.toml").read_text("utf-8")))

    def size(self, art: Art) -> float:
        """The longer edge, where a cat's is 0.85 and a house's 1.9."""
        return self._art_sizes.get(art.name, self._group_sizes.get(art.group, 0.8))

    def surface(self, art: Art) -> float:
        """How much of the picture's height is above the line on which other things stand on it."""
        return self._surfaces.get(art.name, 0.06)

    def flies(self, art: Art) -> bool:
        where = self._habitat
        return art.name in where["air"] or (art.group in where["air_families"] and art.name not in where["ground"])

    def shelters(self, art: Art) -> bool:
        """Whether others can stand under it while it stands on the ground."""
        return art.name in self._habitat["shelters"]

    def singular(self, noun: str) -> str:
        """``two Red Balloons`` -> ``red balloon``: lower case, no article or number, its last word in the singular."""
        words = re.sub(r"[^\w\s'.-]", " ", noun.lower()).split()
        while len(words) > 1 and (words[0] in _ARTICLES or words[0].isdigit()):
            words = words[1:]
        return " ".join([*words[:-1], self._singular(words[-1])]) if words else ""

    def _singular(self, word: str) -> str:
        if word in self._irregular:
            return self._irregular[word]
        if word.endswith("ies") and len(word) > 4:
            return f"{word[:-3]}y"
        if re.search(r"(ch|sh|ss|x|zz|o|us)es$", word):
            return word[:-2]
        return word if re.search(r"(ss|us|is|s's)$", word) or len(word) < 4 else word.removesuffix("s")


_ARTICLES: Final = {"a", "an", "the", "some", "many", "two", "three", "four", "five", "six", "seven", "eight", "of"}


def packed_art() -> list[Art]:
    """All of the Fluent art."""
    with lzma.open(FLUENT / "art.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [_art(json.loads(line)) for line in lines]


def _own() -> list[Art]:
    """What the art lacks and scenes need: drawn for this project, in the same manner."""
    return [_art(item) for item in json.loads((FLUENT / "own.json").read_text("utf-8"))]


def _art(item: Mapping[str, Any]) -> Art:
    left, top, right, bottom = item["box"]
    return Art(item["name"], item["label"], tuple(item["tags"]), item["group"], (left, top, right, bottom), item["svg"])


def _read_rows(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    import numpy as np

    try:
        rows: NDArray[np.float32] = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError):
        return None  # not there, or not whole: made again
    return rows if rows.shape == shape else None


def _write_rows(path: Path, rows: NDArray[np.float32]) -> None:
    import numpy as np

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            np.save(file, rows.astype(np.float16))
        unfinished.replace(path)
    except OSError:
        return  # a full or read-only disk costs the next process a few seconds, and nothing else
