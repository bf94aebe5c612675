"""A small chat model's reading of a scene, held against the English words of the description.

A 1.5B model finds the things and mostly how they stand to each other, but puts colours into nouns, invents a table
under a cake, or takes the sea for an object. What the words themselves say goes before what the model made of them.
Descriptions in other languages pass through, but for the parts that need no words.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

from engines.image.recolour import COLOURS
from engines.image.scene import PARTS, Scene, SceneObject, Setting, Time, Weather
from engines.image.vector_art import FLUENT, SceneWords

_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"


@dataclass(frozen=True, slots=True)
class _Mention:
    """Where a noun stands in the description: words ``start`` to ``end`` (exclusive)."""

    noun: str
    start: int
    end: int


class SceneGrammar:
    """Corrects scenes. ``is_thing`` says whether a noun is the name of a picture."""

    def __init__(self, words: SceneWords, is_thing: Callable[[str], bool]) -> None:
        self._words = words
        self._is_thing = is_thing
        self._data: Mapping[str, Any] = tomllib.loads((FLUENT / "english.toml").read_text("utf-8"))

    def correct(self, scene: Scene, prompt: str) -> Scene:
        """The scene without doubles, places among the things, or (in English) what the description does not say."""
        said = self._said_words(prompt)
        english = self.is_english(prompt)
        things = self._merged([self._bare(thing) for thing in scene.objects])
        without = tuple(self._words.singular(noun) for noun in scene.without)
        if english:
            things = self._grounded(things, said)
            without = tuple(noun for noun in without if self._mention(noun, said))
        things = [thing for thing in things if not self._is_background(thing.noun) and thing.noun not in without]
        things = self._anchored(things, said if english else None)
        scene = scene.model_copy(update={"objects": tuple(things), "without": without})
        return self._placed(scene, said, english=english)

    def is_english(self, prompt: str) -> bool:
        """Whether at least two of its words are common English ones."""
        return sum(word in self._data["filler"]["english"] for word in self._said_words(prompt)) >= 2

    def _said_words(self, prompt: str) -> list[str]:
        return re.findall(r"\w[\w'-]*|[,;.]", prompt.lower().replace(_APOSTROPHE, "'"))

    def setting_of(self, place: str) -> Setting | None:
        """The background that a place is, by its name alone."""
        return cast(
            "Setting | None", self._kind("setting", place.lower()) or self._kind("setting", self._words.singular(place))
        )

    def _is_background(self, noun: str) -> bool:
        return bool(self.setting_of(noun) or self._kind("time", noun) or self._kind("weather", noun))

    # ------------------------------------------------------------------------------------------------------ things

    def _bare(self, thing: SceneObject) -> SceneObject:
        """``small red boat`` is a boat that is small and red."""
        words = self._words.singular(thing.noun).split()
        update: dict[str, Any] = {}
        while len(words) > 1 and not self._is_thing(" ".join(words)):
            if colour := self._colour(words[0]):
                update.setdefault("colour", colour)
            elif size := self._kind("size", words[0]):
                update.setdefault("size", size)
            else:
                break
            words = words[1:]
        return thing.model_copy(update={**update, "noun": " ".join(words), "of": self._words.singular(thing.of)})

    def _merged(self, things: Sequence[SceneObject]) -> list[SceneObject]:
        """Without what is listed twice: the same noun in another colour or place is another thing."""
        kept: list[SceneObject] = []
        for thing in things:
            same = [old for old in kept if old.noun == thing.noun]
            bare = next((at for at, old in enumerate(kept) if old in same and not old.colour), None)
            if bare is not None and thing.colour:
                kept[bare] = thing.model_copy(update={"count": max(thing.count, kept[bare].count)})
            elif thing.noun and not any(not thing.colour or old.colour == thing.colour for old in same):
                kept.append(thing)
        return kept

    def _grounded(self, things: Sequence[SceneObject], said: Sequence[str]) -> list[SceneObject]:
        mentions = {thing.noun: found for thing in things if (found := self._mention(thing.noun, said))}
        kept = [
            self._as_said(
                thing, mentions[thing.noun], said, alone=sum(other.noun == thing.noun for other in things) == 1
            )
            for thing in things
            if thing.noun in mentions
        ]
        missed = self._missed(said, list(mentions.values()))
        kept += [self._as_said(SceneObject(noun=mention.noun), mention, said, alone=True) for mention in missed]
        order = sorted([*mentions.values(), *missed], key=lambda mention: mention.start)
        return self._listed([self._related(thing, order, said) for thing in kept], order, said)

    def _listed(
        self, things: Sequence[SceneObject], order: Sequence[_Mention], said: Sequence[str]
    ) -> list[SceneObject]:
        """In ``an apple, a pear and a plum on a table``, all are on the table."""
        by_noun = {thing.noun: thing for thing in things}
        for before, after in reversed(list(pairwise(order))):
            first, second = by_noun.get(before.noun), by_noun.get(after.noun)
            joints = {word for word in said[before.end : after.start] if not self._is_filler(word)}
            if first and second and joints and joints <= {",", "and"} and second.where and first.noun != second.of:
                by_noun[before.noun] = first.model_copy(update={"where": second.where, "of": second.of})
        return [by_noun[thing.noun] if by_noun[thing.noun].colour == thing.colour else thing for thing in things]

    def _as_said(self, thing: SceneObject, mention: _Mention, said: Sequence[str], *, alone: bool) -> SceneObject:
        """With the number, size and colour that stand before the noun, and none that don't."""
        if not alone:
            return thing
        update: dict[str, Any] = {"colour": "", "size": None}
        before = said[max(0, mention.start - 6) : mention.start]
        number = 0
        for at in range(len(before) - 1, -1, -1):
            word = before[at]
            if pair := self._colour(f"{before[at - 1]} {word}" if at else word):
                update["colour"] = pair
            elif colour := self._colour(word):
                update["colour"] = update["colour"] or colour
            elif size := self._kind("size", word):
                update["size"] = size
            elif word.isdigit() or word in self._data["number"]:
                number = max(number, min(999, int(word)) if word.isdigit() else self._data["number"][word])
            elif word in {"the", ",", ".", "and", "with", "or"} or word in self._relation_words or number:
                break
        plural = number == 0 and thing.count == 1 and said[mention.end - 1] != mention.noun.split()[-1]
        update["count"] = number or (3 if plural else thing.count)
        return thing.model_copy(update=update)

    def _related(self, thing: SceneObject, order: Sequence[_Mention], said: Sequence[str]) -> SceneObject:
        """How it stands to the noun that follows, or to the one before (``a cake with a crown on top``)."""
        at = next((index for index, mention in enumerate(order) if mention.noun == thing.noun), None)
        if at is None:
            return thing
        if thing.where in PARTS and not set(self._data["part_words"][thing.where]) & set(said):
            thing = thing.model_copy(update={"where": None})
        mention = order[at]
        after = order[at + 1].start if at + 1 < len(order) else len(said)
        between = list(said[mention.end : after])
        if at and between[:2] == ["on", "top"] and between[2:3] != ["of"]:
            return thing.model_copy(update={"where": "on", "of": order[at - 1].noun})
        text = " ".join(between)
        for part, phrases in self._data["part"].items():
            if any(re.match(rf"{phrase}\b(?! (side )?of)", text) for phrase in phrases):
                return thing.model_copy(update={"where": part, "of": ""})
        if at + 1 < len(order):
            core = " ".join(word for word in between if not self._is_filler(word))
            if relation := self._kind("relation", core):
                return thing.model_copy(update={"where": relation, "of": order[at + 1].noun})
        return thing

    def _missed(self, said: Sequence[str], known: Sequence[_Mention]) -> list[_Mention]:
        """Names of pictures after an article or a number that the model did not list."""
        taken = {at for mention in known for at in range(mention.start, mention.end)}
        found: list[_Mention] = []
        at = 0
        while at < len(said):
            starts = said[at] in self._data["number"] or said[at] in {"the", "his", "her", "its"} or said[at].isdigit()
            at += 1
            if not starts:
                continue
            while (
                at < len(said) and (self._is_filler(said[at]) or said[at] in self._data["number"]) and at not in taken
            ):
                at += 1
            for length in (3, 2, 1):
                words = said[at : at + length]
                noun = self._words.singular(" ".join(words))
                free = len(words) == length and not taken & set(range(at, at + length))
                known_already = any(mention.noun == noun for mention in (*known, *found))
                if (
                    free
                    and not known_already
                    and self._is_thing(noun)
                    and not self.setting_of(noun)
                    and not self._negated(at, said)
                ):
                    found.append(_Mention(noun, at, at + length))
                    break
        return found

    def _negated(self, at: int, said: Sequence[str]) -> bool:
        return any(word in {"no", "without", "not"} for word in said[max(0, at - 3) : at])

    def _anchored(self, things: Sequence[SceneObject], said: Sequence[str] | None) -> list[SceneObject]:
        """Relations lead to things that are there. What others relate to, and was not listed, is listed."""
        nouns = {thing.noun for thing in things}
        kept: list[SceneObject] = []
        added: dict[str, SceneObject] = {}
        for thing in things:
            of = thing.of
            if thing.where in PARTS or thing.where is None:
                kept.append(thing.model_copy(update={"of": ""}))
                continue
            if of not in nouns:  # "cake" for the "birthday cake"
                of = next((noun for noun in nouns if noun.split()[-1] == of and noun != thing.noun), of)
            if of in nouns and of != thing.noun:
                kept.append(thing.model_copy(update={"of": of}))
            elif of and of != thing.noun and not self._is_background(of) and (said is None or self._mention(of, said)):
                added[of] = SceneObject(noun=of)
                kept.append(thing.model_copy(update={"of": of}))
            else:
                kept.append(thing.model_copy(update={"where": None, "of": ""}))
        return [*kept, *added.values()]

    # ------------------------------------------------------------------------------------------------------- place

    def _placed(self, scene: Scene, said: Sequence[str], *, english: bool) -> Scene:
        """The setting of the place that is named. Where none is, `plain`: the things will say what suits them."""
        place = scene.place.lower().strip()
        nouns = {thing.noun for thing in scene.objects}
        update: dict[str, Any] = {}
        if english:
            text = " ".join(said)
            named = self._said("setting", text)
            update["time"] = cast("Time", self._said("time", text) or "day")
            update["weather"] = cast("Weather", self._said("weather", text) or "clear")
            if not self._mention(self._words.singular(place), said):
                place = ""
        else:
            named = self.setting_of(place)
        if self._words.singular(place) in nouns or self._kind("time", place) or self._kind("weather", place):
            place = ""
        update["place"] = place
        update["setting"] = named or (scene.setting if place else "plain")
        return scene.model_copy(update=update)

    # ------------------------------------------------------------------------------------------------------- words

    def _mention(self, noun: str, said: Sequence[str]) -> _Mention | None:
        """Where a noun is said, in the singular or the plural."""
        length = len(noun.split())
        for start in range(len(said) - length + 1) if length else ():
            if self._words.singular(" ".join(said[start : start + length])) == noun:
                return _Mention(noun, start, start + length)
        return None

    def _said(self, table: str, text: str) -> str | None:
        """The kind whose longest phrase is in the text."""
        hits = [
            (len(phrase), kind)
            for kind, phrases in self._data[table].items()
            for phrase in phrases
            if re.search(rf"\b{phrase}\b", text)
        ]
        return max(hits)[1] if hits else None

    def _kind(self, table: str, phrase: str) -> str | None:
        return next((kind for kind, phrases in self._data[table].items() if phrase in phrases), None)

    def _colour(self, word: str) -> str | None:
        word = self._data["colour"].get(word, word)
        return word if word in COLOURS else None

    def _is_filler(self, word: str) -> bool:
        known = word in self._data["filler"]["words"] or word in self._data["number"] or word.isdigit()
        return known or bool(self._colour(word) or self._kind("size", word)) or word == "light"

    @cached_property
    def _relation_words(self) -> frozenset[str]:
        return frozenset(
            phrase for phrases in self._data["relation"].values() for phrase in phrases if " " not in phrase
        )
