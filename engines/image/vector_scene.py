"""Pictures without a diffusion model: a chat model says what is to be seen, and ready-made vector art shows it.

A vector scene is what it is: flat, tidy, and made of the things the art has. What it lacks is named, never swapped in
silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from engines.errors import InputError
from engines.image.scene import MAX_CHARS, MAX_OBJECTS, Scene, SceneObject, Setting, read_scene, to_english
from engines.image.scene_backdrops import draw_backdrop
from engines.image.scene_blocks import Placed, Thing
from engines.image.scene_layout import lay_out
from engines.image.scene_svg import rasterise, to_svg
from engines.image.scene_words import SceneGrammar
from engines.image.vector_art import ArtShelf, Found
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken, OnProgress, ignore_progress
from engines.protocols import Chat, GeneratedImage

if TYPE_CHECKING:
    from PIL.Image import Image

KIND: Final = "A vector scene composed from Fluent Emoji art, not a photograph or a painting."

_DEFAULT_SIZE: Final = (1024, 768)
_LEAST, _MOST = 64, 2048
"""Edges in px."""
_MOST_OF_A_THING: Final = 40
_MOST_PICTURES: Final = 100


@dataclass(frozen=True, slots=True)
class Composition:
    """A scene as it was laid out: what evaluations look at. ``shown`` has an entry for each thing that is drawn."""

    scene: Scene
    shown: tuple[tuple[SceneObject, Found], ...]
    placed: tuple[Placed, ...]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...]
    svg: str


class VectorScene:
    """`engines.protocols.ImageGeneration` over the parts ``chat`` and ``text-embedding``. It has no steps."""

    capability: ClassVar[str] = "image-generation"

    def __init__(self, context: LoadContext) -> None:
        self._chat: Chat = context.parts["chat"]
        self._shelf = ArtShelf(context.parts["text-embedding"], context.cache)
        self._grammar = SceneGrammar(self._shelf.words, self._shelf.has)

    def close(self) -> None:
        """The parts are closed by who lent them."""
        del self._shelf

    def generate(  # noqa: PLR0913 # the protocol's
        self,
        prompt: str,
        *,
        negative: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,  # noqa: ARG002 # there are none
        guidance: float | None = None,  # noqa: ARG002 # there is none
        seed: int,
        on_progress: OnProgress = ignore_progress,
        on_preview: Callable[[Image], None] | None = None,  # noqa: ARG002 # it is drawn at once
        cancel: CancelToken = NEVER,
    ) -> GeneratedImage:
        """See `engines.protocols.ImageGeneration`. Edges are 64 ... 2048 px, 1024 x 768 by default.

        Raises InputError for an empty prompt or another size, EngineError when the chat model gives no scene.
        """
        wide, high = self._size(width, height)
        on_progress(0.05, "reading the description")
        scene, english = self.read(prompt, cancel=cancel)
        on_progress(0.8, "finding the pictures")
        made = self.compose(scene, english, negative=negative, width=wide, height=high, seed=seed, cancel=cancel)
        cancel.check()
        on_progress(0.9, "drawing")
        image = rasterise(made.svg, wide, high)
        return GeneratedImage(
            image,
            seed,
            kind="vector-scene",
            svg=made.svg,
            unmatched=made.unmatched,
            note=" ".join((KIND, *self._cut_or_translated(prompt, english), *made.notes)),
        )

    def read(self, prompt: str, *, cancel: CancelToken = NEVER) -> tuple[Scene, str]:
        """What the chat model takes the description for, and the description in English. Raises as `generate` does."""
        if not self._grammar.is_english(prompt):
            english = to_english(self._chat, prompt, cancel=cancel)
            return read_scene(self._chat, english, cancel=cancel), english
        return read_scene(self._chat, prompt, cancel=cancel), prompt

    def _cut_or_translated(self, prompt: str, english: str) -> list[str]:
        notes = []
        if len(" ".join(prompt.split())) > MAX_CHARS:
            notes.append(f"Only the first {MAX_CHARS} characters of the description were read.")
        if english != prompt and " ".join(english.lower().split()) != " ".join(prompt.lower().split()):
            notes.append(f"It was read as: {english[:200]}.")
        return notes

    def compose(
        self,
        scene: Scene,
        prompt: str,
        *,
        negative: str = "",
        width: int = _DEFAULT_SIZE[0],
        height: int = _DEFAULT_SIZE[1],
        seed: int = 0,
        cancel: CancelToken = NEVER,
    ) -> Composition:
        """The scene, corrected by the prompt's own words, with a picture for each thing, laid out as SVG."""
        notes: list[str] = []
        scene = self._grammar.correct(scene, " ".join(prompt.split())[:MAX_CHARS])
        shown, unmatched = self._find(scene, self._unwanted(scene, negative), cancel)
        scene = scene.model_copy(update={"setting": self._setting(scene, shown)})
        notes += self._notes(scene, shown)
        if lost := self._lost_place(scene):
            unmatched = (*unmatched, lost)
        things = self._things(scene, shown, notes)
        no_clouds = any(re.search(r"\bclouds?\b", words) for words in (negative.lower(), *scene.without))
        clouds = not no_clouds and not any("cloud" in thing.art.name for thing in things)
        if no_clouds and scene.weather == "cloudy":
            scene = scene.model_copy(update={"weather": "clear"})
        backdrop = draw_backdrop(scene, width, height, seed, clouds=clouds)
        placed = lay_out(
            things, width=width, height=height, ground=backdrop.ground, floating=backdrop.floats, seed=seed
        )
        wet = {at for at, (_, found) in enumerate(shown) if backdrop.water and not things[at].flies and found}
        title = f"{' '.join(prompt.split())[:200]} ({KIND[:-1]})"
        svg = to_svg(backdrop, placed, width=width, height=height, title=title, wet=wet)
        return Composition(scene, tuple(shown), tuple(placed), unmatched, tuple(notes), svg)

    # --------------------------------------------------------------------------------------------------- what is shown

    def _find(
        self, scene: Scene, unwanted: set[str], cancel: CancelToken
    ) -> tuple[list[tuple[SceneObject, Found]], tuple[str, ...]]:
        shown: list[tuple[SceneObject, Found]] = []
        unmatched: list[str] = []
        for thing in scene.objects[:MAX_OBJECTS]:
            found = self._shelf.find(thing.noun, thing.colour, cancel=cancel)
            if found is None:
                unmatched.append(thing.noun)
            elif not {thing.noun, found.art.name} & unwanted:
                shown.append((thing, found))
        return shown, tuple(dict.fromkeys(unmatched))

    def _unwanted(self, scene: Scene, negative: str) -> set[str]:
        """Nouns and names of art that must not be shown."""
        parts = re.split(r"[,;.\n]| and | or |\bno\b|\bwithout\b", negative.lower())
        nouns = {self._shelf.words.singular(part) for part in (*parts, *scene.without)} - {""}
        exact = {found.art.name for noun in nouns if self._shelf.has(noun) and (found := self._shelf.find(noun))}
        return nouns | exact

    def _things(self, scene: Scene, shown: Sequence[tuple[SceneObject, Found]], notes: list[str]) -> list[Thing]:
        words = self._shelf.words
        index: dict[str, int] = {}
        for at, (thing, _) in enumerate(shown):
            index.setdefault(thing.noun, at)
        left = _MOST_PICTURES
        things: list[Thing] = []
        for at, (thing, found) in enumerate(shown):
            count = max(1, min(thing.count, _MOST_OF_A_THING, left - (len(shown) - at - 1)))
            left -= count
            if count < thing.count:
                notes.append(f"Of {thing.count} x {thing.noun}, {count} are drawn: no more fit.")
            of = index.get(thing.of) if thing.where else None
            art = found.art
            flies = words.flies(art) and not (scene.setting == "room" and art.group == "transport-air")
            things.append(
                Thing(
                    art,
                    count,
                    words.size(art),
                    thing.size,
                    "" if found.coloured else thing.colour,
                    flies=flies,
                    shelters=words.shelters(art),
                    surface=words.surface(art),
                    where=None if of is None and thing.of else thing.where,
                    of=None if of == at else of,
                )
            )
        return things

    def _setting(self, scene: Scene, shown: Sequence[tuple[SceneObject, Found]]) -> Setting:
        """Where no place was named: what suits the things. Fish in the sea are under water."""
        words = self._shelf.words
        art = [found.art for _, found in shown]
        if not art or scene.setting not in ("plain", "sea"):
            return scene.setting
        if all(piece.group == "animal-marine" for piece in art):
            return "underwater"
        if scene.setting == "sea" or any(piece.group == "transport-water" for piece in art):
            return "sea"
        if all(words.flies(piece) for piece in art):
            return "sky"
        outdoors = any(piece.group in _OUTDOORS or (words.flies(piece) and piece.group in _SKY) for piece in art)
        return "meadow" if outdoors or scene.weather != "clear" else "plain"

    def _notes(self, scene: Scene, shown: Sequence[tuple[SceneObject, Found]]) -> list[str]:
        stand_ins = [
            f"{thing.noun} as {found.art.label}"
            for thing, found in shown
            if not found.exact and self._shelf.words.singular(found.art.label) != thing.noun
        ]
        notes = [f"The nearest art stands in: {', '.join(dict.fromkeys(stand_ins))}."] if stand_ins else []
        if scene.place and scene.setting != "plain" and not self._grammar.setting_of(scene.place):
            notes.append(f"The background for {scene.place!r} is the nearest there is: {scene.setting}.")
        return notes

    def _lost_place(self, scene: Scene) -> str | None:
        """A place that no background shows, unless a thing of that name is in the picture."""
        place = scene.place
        if not place or scene.setting == "plain" or self._grammar.setting_of(place):
            return None
        return place

    def _size(self, width: int | None, height: int | None) -> tuple[int, int]:
        wide, high = width or _DEFAULT_SIZE[0], height or _DEFAULT_SIZE[1]
        if width and not height:
            high = round(width * 0.75)
        if height and not width:
            wide = round(height / 0.75)
        if not (_LEAST <= wide <= _MOST and _LEAST <= high <= _MOST):
            raise InputError(
                f"A vector scene can't be {wide} x {high} px.", fix=f"Give edges between {_LEAST} and {_MOST} px."
            )
        return wide, high


_OUTDOORS: Final = {
    *(
        "animal-mammal",
        "animal-bird",
        "animal-bug",
        "animal-reptile",
        "animal-amphibian",
        "plant-flower",
        "plant-other",
    ),
    *(
        "place-building",
        "place-religious",
        "place-other",
        "transport-ground",
        "person",
        "person-role",
        "person-activity",
    ),
    *("person-fantasy", "person-sport", "animal-marine"),
}
_SKY: Final = {"sky-weather", "transport-air", "event"}
