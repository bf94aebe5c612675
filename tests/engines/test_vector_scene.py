"""Vector scenes: what is read, which art shows it, where it goes, in which colour, and what is said of the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
from scene_parts import Letters, SceneChat

from engines.catalog import Catalog
from engines.errors import EngineError, InputError
from engines.image.recolour import COLOURS, fills, recolour
from engines.image.scene import MAX_CHARS, Scene, read_scene
from engines.image.scene_backdrops import draw_backdrop
from engines.image.scene_blocks import Placed, Rect, Thing
from engines.image.scene_layout import lay_out
from engines.image.scene_words import SceneGrammar
from engines.image.vector_art import ArtShelf
from engines.loading import LoadContext, engine_class
from engines.progress import Cancelled, CancelToken

pytest.importorskip("resvg_py", reason="needs the extra vision")

from engines.image.scene_svg import coloured, rasterise, shares
from engines.image.vector_scene import Composition, VectorScene


@pytest.fixture(scope="module")
def shelf() -> ArtShelf:
    return ArtShelf(Letters())


def engine_for(scene: dict[str, Any], cache: Path | None = None) -> VectorScene:
    parts = {"chat": SceneChat(scene), "text-embedding": Letters()}
    return VectorScene(LoadContext(Catalog.load().get("vector-scene"), Path(), parts=parts, cache=cache))


def scene_of(*objects: dict[str, Any], **more: Any) -> dict[str, Any]:
    filled = [{"count": 1, **thing} for thing in objects]
    return {"place": "", "setting": "plain", "time": "day", "weather": "clear", "objects": filled, **more}


def composed(scene: dict[str, Any], prompt: str = "", **options: Any) -> Composition:
    return engine_for(scene).compose(Scene.model_validate(scene), prompt, **options)


def rects(made: Composition, name: str) -> list[Rect]:
    return [item.rect for item in made.placed if item.art.name == name]


class TestArt:
    @pytest.mark.parametrize(
        ("noun", "name"),
        [
            ("house", "house"),
            ("Balloons", "balloon"),
            ("a cat", "cat"),
            ("car", "automobile"),
            ("trees", "deciduous-tree"),
            ("mice", "mouse"),
            ("three Children", "child"),
            ("wolves", "wolf"),
            ("fire truck", "fire-engine"),
            ("birthday cake", "birthday-cake"),
            ("table", "table"),
            ("buses", "bus"),
            ("octopuses", "octopus"),
        ],
    )
    def test_words_find_the_picture_that_is_called_so(self, shelf: ArtShelf, noun: str, name: str) -> None:
        found = shelf.find(noun)
        assert found is not None
        assert (found.art.name, found.exact) == (name, True)

    def test_a_colour_that_the_art_has_by_itself(self, shelf: ArtShelf) -> None:
        found = shelf.find("cat", "black")
        assert found is not None
        assert (found.art.name, found.coloured) == ("black-cat", True)

    @pytest.mark.parametrize(
        ("noun", "name"),
        [("cup of coffee", "hot-beverage"), ("slices of pizza", "pizza"), ("bouquet of qwxz", "bouquet")],
    )
    def test_measures_of_things(self, shelf: ArtShelf, noun: str, name: str) -> None:
        found = shelf.find(noun)
        assert found is not None
        assert (found.art.name, found.exact) == (name, False)

    def test_what_nothing_is_like_finds_nothing(self, shelf: ArtShelf) -> None:
        assert shelf.find("zzyzx qwv") is None
        assert shelf.find("") is None
        assert shelf.find("!?") is None

    def test_what_words_toml_rules_out_finds_nothing(self, shelf: ArtShelf) -> None:
        assert shelf.find("bridge") is None, "the art has a bridge at night, with its sky"

    def test_every_alias_names_a_picture(self, shelf: ArtShelf) -> None:
        assert {name for name in shelf.words.alias.values() if name} <= set(shelf.names)

    def test_named_sizes_and_places_are_of_pictures(self, shelf: ArtShelf) -> None:
        words = shelf.words
        named = {*words._habitat["shelters"], *words._habitat["air"], *words._art_sizes, *words._surfaces}
        known = set(shelf.names)
        assert not named - known

    def test_labels_are_embedded_once_and_kept_for_the_next_process(self, tmp_path: Path) -> None:
        first = Letters()
        assert ArtShelf(first, tmp_path).likeness("zebra")[0] == "zebra"
        again = Letters()
        assert ArtShelf(again, tmp_path).likeness("zebra")[0] == "zebra"
        assert again.embedded < 5 < first.embedded

    def test_a_damaged_cache_is_made_again(self, tmp_path: Path) -> None:
        ArtShelf(Letters(), tmp_path).likeness("zebra")
        (kept,) = tmp_path.glob("*.npy")
        kept.write_bytes(kept.read_bytes()[:100])
        assert ArtShelf(Letters(), tmp_path).likeness("zebra")[0] == "zebra"

    def test_art_is_plain_markup(self, shelf: ArtShelf) -> None:
        for name in shelf.names:
            svg = shelf[name].svg
            assert not re.search(r"<script|<image|<foreignObject|\son\w+=|href=\"(?!#)", svg), name


class TestColours:
    @pytest.mark.parametrize("colour", COLOURS)
    @pytest.mark.parametrize("name", ["balloon", "automobile", "sheaf-of-rice", "ewe", "tropical-fish"])
    def test_the_picture_gets_the_colour(self, shelf: ArtShelf, name: str, colour: str) -> None:
        art = shelf[name]
        painted = rasterise(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{coloured(art, colour)}</svg>', 64, 64
        )
        wanted = np.array([int(COLOURS[colour][at : at + 2], 16) for at in (1, 3, 5)])
        pixels = np.asarray(painted, np.int32).reshape(-1, 3)
        near = (np.abs(pixels - wanted).max(axis=1) < 48).mean()
        assert near > 0.08

    def test_shading_stays_in_order(self, shelf: ArtShelf) -> None:
        art = shelf["automobile"]
        before, after = fills(art.svg), fills(coloured(art, "blue"))
        assert len(set(after)) == len(set(before)), "no two shades become one"

    def test_windows_and_tyres_of_a_bus_stay(self, shelf: ArtShelf) -> None:
        made = coloured(shelf["bus"], "green")
        assert "#26c9fc" in made
        assert "#212121" in made
        assert "#ffb02e" not in made

    def test_shares_add_up(self, shelf: ArtShelf) -> None:
        assert sum(shares(shelf["house"]).values()) == pytest.approx(1)

    def test_art_without_colours_is_left_alone(self) -> None:
        assert recolour("<g/>", "red", {}) == "<g/>"


class TestReading:
    def test_decoding_is_held_to_the_schema_and_the_examples_are_shared(self) -> None:
        chat = SceneChat(scene_of({"noun": "cat"}))
        assert read_scene(chat, "a cat").objects[0].noun == "cat"
        (request,) = chat.asked
        assert request.json_schema is not None
        assert request.shared == len(request.messages) - 1
        assert request.lane == "scene"

    def test_the_worked_examples_fit_the_schema(self) -> None:
        chat = SceneChat(scene_of())
        read_scene(chat, "nothing")
        for turn in chat.asked[0].messages:
            if turn.role == "assistant":
                jsonschema.validate(json.loads(turn.content), chat.asked[0].json_schema)

    @pytest.mark.parametrize("prompt", ["", "  \n\t "])
    def test_an_empty_description(self, prompt: str) -> None:
        with pytest.raises(InputError, match="no description"):
            read_scene(SceneChat(scene_of()), prompt)

    def test_a_very_long_description_is_cut(self) -> None:
        chat = SceneChat(scene_of({"noun": "cat"}))
        made = engine_for_chat(chat).generate("a cat and a dog " * 2000, seed=1)
        assert len(chat.asked[0].messages[-1].content) == MAX_CHARS
        assert "first 1500 characters" in made.note

    def test_other_languages_are_put_into_english_first_and_the_note_says_as_what(self) -> None:
        chat = SceneChat(scene_of({"noun": "duck"}))
        chat.english = "three yellow ducks on a lake"
        made = engine_for_chat(chat).generate("drei gelbe Enten auf einem See", seed=1)
        assert [request.messages[-1].content for request in chat.asked] == [
            "drei gelbe Enten auf einem See",
            "three yellow ducks on a lake",
        ]
        assert made.svg is not None
        assert made.svg.count("<use ") == 3
        assert "read as: three yellow ducks on a lake" in made.note

    def test_english_is_read_at_once(self) -> None:
        chat = SceneChat(scene_of({"noun": "duck"}))
        engine_for_chat(chat).generate("three ducks on a lake", seed=1)
        assert len(chat.asked) == 1

    def test_a_colour_that_is_not_of_the_schema_is_left_out(self) -> None:
        class Free(SceneChat):
            def complete(self, request: Any, **options: Any) -> Any:
                reply = super().complete(request, **options)
                return type(reply)(reply.text.replace('"red"', '"beige"'), "stop", 1, 1)

        made = engine_for_chat(Free(scene_of({"noun": "duck", "colour": "red"}))).generate("a duck", seed=1)
        assert made.svg is not None
        assert made.svg.count("<use ") == 1

    def test_an_answer_that_is_no_scene(self) -> None:
        class Broken(SceneChat):
            def complete(self, request: Any, **options: Any) -> Any:
                reply = super().complete(request, **options)
                return type(reply)('{"objects": [', "length", 1, 1)

        with pytest.raises(EngineError, match="no scene"):
            read_scene(Broken(scene_of()), "a cat")


def engine_for_chat(chat: SceneChat) -> VectorScene:
    parts = {"chat": chat, "text-embedding": Letters()}
    return VectorScene(LoadContext(Catalog.load().get("vector-scene"), Path(), parts=parts))


class TestGrammar:
    """What small models get wrong, mended by the words of the description."""

    def correct(self, shelf: ArtShelf, prompt: str, *objects: dict[str, Any], **more: Any) -> Scene:
        grammar = SceneGrammar(shelf.words, shelf.has)
        return grammar.correct(Scene.model_validate(scene_of(*objects, **more)), prompt)

    def test_adjectives_leave_the_noun(self, shelf: ArtShelf) -> None:
        scene = self.correct(shelf, "a small red boat and a cat", {"noun": "small red boat"}, {"noun": "cat"})
        assert (scene.objects[0].noun, scene.objects[0].size, scene.objects[0].colour) == ("boat", "small", "red")

    def test_counts_colours_and_relations_are_read_off(self, shelf: ArtShelf) -> None:
        scene = self.correct(shelf, "five yellow fish under a boat", {"noun": "fish"}, {"noun": "boat"})
        (fish, boat) = scene.objects
        assert (fish.count, fish.colour, fish.where, fish.of) == (5, "yellow", "under", "boat")
        assert (boat.count, boat.colour) == (1, "")

    def test_what_was_invented_goes(self, shelf: ArtShelf) -> None:
        scene = self.correct(
            shelf, "a cake with a crown on top", {"noun": "cake", "where": "on", "of": "table"}, {"noun": "plate"}
        )
        assert [(thing.noun, thing.where, thing.of) for thing in scene.objects] == [
            ("cake", None, ""),
            ("crown", "on", "cake"),
        ]

    def test_a_part_of_the_picture_that_nobody_named_is_not_believed(self, shelf: ArtShelf) -> None:
        scene = self.correct(shelf, "a dog and a cat on the left", {"noun": "dog", "where": "top"}, {"noun": "cat"})
        assert [thing.where for thing in scene.objects] == ["left", "left"]
        scene = self.correct(shelf, "a dog and two cats", {"noun": "dog", "where": "top"}, {"noun": "cat"})
        assert [thing.where for thing in scene.objects] == [None, None]

    def test_a_list_shares_its_place(self, shelf: ArtShelf) -> None:
        things = ({"noun": "apple"}, {"noun": "banana"}, {"noun": "lemon"})
        scene = self.correct(shelf, "an apple, a banana and two lemons on the table", *things)
        assert [(thing.noun, thing.of) for thing in scene.objects] == [
            ("apple", "table"),
            ("banana", "table"),
            ("lemon", "table"),
            ("table", ""),
        ]

    def test_places_are_backgrounds(self, shelf: ArtShelf) -> None:
        scene = self.correct(shelf, "a dog in the park at night", {"noun": "dog"}, {"noun": "park"}, setting="city")
        assert [thing.noun for thing in scene.objects] == ["dog"]
        assert (scene.setting, scene.time) == ("meadow", "night")

    def test_two_of_a_kind_in_two_colours_stay_two(self, shelf: ArtShelf) -> None:
        birds = ({"noun": "bird", "colour": "blue"}, {"noun": "bird", "colour": "red"})
        scene = self.correct(shelf, "a blue bird and a red bird", *birds)
        assert [thing.colour for thing in scene.objects] == ["blue", "red"]

    def test_one_thing_listed_with_and_without_its_colour(self, shelf: ArtShelf) -> None:
        guitars = ({"noun": "guitar"}, {"noun": "guitar", "colour": "purple"})
        (guitar,) = self.correct(shelf, "a purple guitar in a room", *guitars).objects
        assert (guitar.count, guitar.colour) == (1, "purple")

    def test_the_hour_is_no_place_to_be_missed(self, shelf: ArtShelf) -> None:
        assert self.correct(shelf, "a tree at night", {"noun": "tree"}, place="night", setting="forest").place == ""

    def test_the_hour_and_the_weather_are_no_things(self, shelf: ArtShelf) -> None:
        scene = self.correct(
            shelf, "a ship in the rain at sunset", {"noun": "ship"}, {"noun": "sunset"}, {"noun": "rain"}
        )
        assert [thing.noun for thing in scene.objects] == ["ship"]
        assert (scene.time, scene.weather) == ("sunset", "rain")

    def test_other_languages_pass_through(self, shelf: ArtShelf) -> None:
        scene = self.correct(
            shelf, "ein Hund unter dem Tisch", {"noun": "dog", "where": "under", "of": "table"}, time="night"
        )
        assert [(thing.noun, thing.where) for thing in scene.objects] == [("dog", "under"), ("table", None)]
        assert scene.time == "night"


ART = ArtShelf(Letters())


def thing(name: str, count: int = 1, **more: Any) -> Thing:
    art = ART[name]
    words = ART.words
    return Thing(
        art,
        count,
        words.size(art),
        flies=words.flies(art),
        shelters=words.shelters(art),
        surface=words.surface(art),
        **more,
    )


def laid(*things: Thing, width: int = 1024, height: int = 768, seed: int = 0, floating: bool = False) -> list[Placed]:
    return lay_out(things, width=width, height=height, ground=0.84 * height, floating=floating, seed=seed)


def rect_of(placed: list[Placed], index: int) -> Rect:
    return Rect.around([item.rect for item in placed if item.thing == index])


class TestLayout:
    def test_above(self) -> None:
        placed = laid(thing("balloon", 3, where="above", of=1), thing("house"))
        balloons, house = rect_of(placed, 0), rect_of(placed, 1)
        assert balloons.bottom < house.top
        assert abs(balloons.middle - house.middle) < house.width / 2

    def test_on_stands_on_the_surface_and_is_not_wider(self) -> None:
        placed = laid(thing("elephant", where="on", of=1), thing("table"))
        elephant, table = rect_of(placed, 0), rect_of(placed, 1)
        assert elephant.bottom == pytest.approx(table.top + 0.06 * table.height, abs=1)
        assert elephant.width <= table.width
        assert [item.thing for item in placed] == [1, 0], "it is painted in front"

    def test_several_things_share_a_surface(self) -> None:
        on = [thing(name, 2, where="on", of=0) for name in ("banana", "lemon", "pineapple")]
        placed = laid(thing("table"), *on)
        table = rect_of(placed, 0)
        for index in (1, 2, 3):
            fruit = rect_of(placed, index)
            assert table.left - 0.1 * table.width < fruit.left < fruit.right < table.right + 0.1 * table.width
            assert fruit.bottom < table.centre
        assert rect_of(placed, 1).right <= rect_of(placed, 2).left + 1

    def test_under_a_tree_is_on_the_ground_before_it(self) -> None:
        placed = laid(thing("automobile", where="under", of=1), thing("deciduous-tree"))
        car, tree = rect_of(placed, 0), rect_of(placed, 1)
        assert car.bottom >= tree.bottom
        assert car.top > tree.top + 0.3 * tree.height

    def test_under_a_cloud_is_on_the_ground_too(self) -> None:
        placed = laid(thing("dog", where="under", of=1), thing("cloud"))
        dog, cloud = rect_of(placed, 0), rect_of(placed, 1)
        assert cloud.bottom < dog.top
        assert dog.bottom > 0.8 * 768

    @pytest.mark.parametrize(("where", "sign"), [("left of", -1), ("right of", 1)])
    def test_beside(self, where: Any, sign: int) -> None:
        placed = laid(thing("dog", where=where, of=1), thing("house"))
        assert sign * (rect_of(placed, 0).middle - rect_of(placed, 1).middle) > 0
        assert abs(rect_of(placed, 0).bottom - rect_of(placed, 1).bottom) < 3

    def test_behind_and_in_front(self) -> None:
        placed = laid(thing("dog", where="behind", of=1), thing("house"), thing("cat", where="in front of", of=1))
        assert [item.thing for item in placed] == [0, 1, 2]
        assert rect_of(placed, 0).bottom < rect_of(placed, 1).bottom < rect_of(placed, 2).bottom
        assert rect_of(placed, 0).right > rect_of(placed, 1).right, "it can be seen"

    def test_inside(self) -> None:
        placed = laid(thing("snake", where="inside", of=1), thing("basket"))
        snake, basket = rect_of(placed, 0), rect_of(placed, 1)
        assert basket.left < snake.left < snake.right < basket.right

    def test_around_in_the_air_and_on_the_ground(self) -> None:
        for name in ("honeybee", "mushroom"):
            placed = laid(thing(name, 6, where="around", of=1), thing("deciduous-tree"))
            assert rect_of(placed, 0).left < rect_of(placed, 1).left
            assert rect_of(placed, 0).right > rect_of(placed, 1).right

    def test_a_hat_for_each(self) -> None:
        placed = laid(thing("crown", 3, where="on", of=1), thing("cat", 3))
        crowns = sorted(item.rect.middle for item in placed if item.thing == 0)
        cats = sorted(item.rect.middle for item in placed if item.thing == 1)
        assert crowns == pytest.approx(cats, abs=1)

    def test_left_and_right_of_the_picture(self) -> None:
        placed = laid(thing("dog", where="right"), thing("cat", where="left"))
        assert rect_of(placed, 1).middle < 400
        assert rect_of(placed, 0).middle > 600

    def test_circles_are_broken(self) -> None:
        placed = laid(thing("dog", where="on", of=1), thing("cat", where="on", of=0))
        assert {item.thing for item in placed} == {0, 1}

    def test_what_stands_on_itself_stands_on_the_ground(self) -> None:
        assert len(laid(thing("dog", where="on", of=0))) == 1

    @pytest.mark.parametrize("size", [(64, 64), (2048, 200), (200, 2048), (1024, 768)])
    @pytest.mark.parametrize("floating", [False, True])
    def test_nothing_leaves_the_picture(self, size: tuple[int, int], floating: bool) -> None:
        width, height = size
        things = [
            thing("house"),
            thing("balloon", 7, where="above", of=0),
            thing("cat", 12),
            thing("deciduous-tree", 2),
            thing("automobile", where="under", of=3),
            thing("sun"),
            thing("star", 40),
        ]
        placed = laid(*things, width=width, height=height, floating=floating)
        assert len(placed) == 64
        for item in placed:
            assert -0.02 * width <= item.rect.left < item.rect.right <= 1.02 * width
            assert -0.02 * height <= item.rect.top < item.rect.bottom <= 1.02 * height

    def test_the_same_seed_gives_the_same_places_and_another_others(self) -> None:
        things = [thing("balloon", 5), thing("cat", 3)]
        assert laid(*things, seed=5) == laid(*things, seed=5)
        assert laid(*things, seed=5) != laid(*things, seed=6)

    def test_nothing(self) -> None:
        assert laid() == []


class TestScene:
    def test_three_red_balloons_over_a_house(self) -> None:
        scene = scene_of({"count": 3, "colour": "red", "noun": "balloon", "where": "above", "of": "house"})
        made = composed(scene, "draw three red balloons over a house")
        balloons = [item for item in made.placed if item.art.name == "balloon"]
        assert len(balloons) == 3
        assert {item.colour for item in balloons} == {"red"}
        assert max(item.rect.bottom for item in balloons) < rects(made, "house")[0].top
        assert made.unmatched == ()

    def test_what_the_art_lacks_is_named_and_nothing_is_put_in_its_place(self) -> None:
        made = composed(scene_of({"noun": "qwxz"}, {"noun": "cat"}), "a qwxz and a cat")
        assert made.unmatched == ("qwxz",)
        assert {item.art.name for item in made.placed} == {"cat"}

    def test_a_place_without_a_background_is_named(self) -> None:
        made = composed(scene_of({"noun": "cat"}, place="fjord", setting="mountains"), "a cat in a fjord")
        assert made.unmatched == ("fjord",)
        assert "'fjord'" in " ".join(made.notes)
        assert made.scene.setting == "mountains"

    def test_a_stand_in_is_named(self) -> None:
        made = composed(scene_of({"noun": "pine cone tree"}), "a pine cone tree and the sun")
        stand_ins = [found for _, found in made.shown if not found.exact]
        assert bool(stand_ins) == ("stands in" in " ".join(made.notes))

    def test_too_many_are_bounded_and_that_is_said(self) -> None:
        made = composed(scene_of({"count": 200, "noun": "star"}), "200 stars")
        assert len(made.placed) == 40
        assert "Of 200 x star, 40 are drawn" in made.notes[0]

    def test_many_kinds_of_many_are_bounded_together_and_each_is_there(self) -> None:
        nouns = ["star", "cat", "dog", "house", "car", "tree"]
        made = composed(scene_of(*({"count": 40, "noun": noun} for noun in nouns)), "viele Dinge")
        assert len(made.placed) <= 100
        assert len({item.art.name for item in made.placed}) == 6

    def test_the_negative_prompt_drops_things_and_clouds(self) -> None:
        scene = scene_of({"noun": "cat"}, {"noun": "dog"}, setting="meadow", place="park")
        made = composed(scene, "a cat and a dog in a park", negative="dogs, clouds")
        assert {item.art.name for item in made.placed} == {"cat"}
        assert made.svg.count("<circle") < composed(scene, "a cat and a dog in a park").svg.count("<circle")

    def test_fish_in_the_sea_are_under_water_and_ships_on_it(self) -> None:
        assert composed(scene_of({"noun": "fish"}), "a fish in the sea").scene.setting == "underwater"
        assert composed(scene_of({"noun": "boat"}), "a boat in the sea").scene.setting == "sea"

    def test_no_things_at_all_is_a_background(self) -> None:
        made = composed(scene_of(setting="beach", place="beach"), "a beach at sunset")
        assert made.placed == ()
        assert (made.scene.setting, made.scene.time) == ("beach", "sunset")

    @pytest.mark.parametrize("setting", Scene.model_fields["setting"].annotation.__args__)
    @pytest.mark.parametrize("time", ["day", "sunset", "night"])
    def test_every_background_is_well_formed(self, setting: Any, time: Any) -> None:
        for weather in ("clear", "rain", "snow", "cloudy"):
            scene = Scene(setting=setting, time=time, weather=weather)
            backdrop = draw_backdrop(scene, 320, 240, seed=1)
            ET.fromstring(f"<svg>{backdrop.back}{backdrop.front}</svg>")
            assert 0.6 * 240 < backdrop.ground < 240


class TestPicture:
    def test_svg_and_pixels_show_the_same(self) -> None:
        scene = scene_of({"noun": "cat"}, {"count": 2, "noun": "balloon", "colour": "blue"})
        made = engine_for(scene).generate("a cat and two blue balloons", width=320, height=200, seed=4)
        assert made.image.size == (320, 200)
        assert made.image.mode == "RGB"
        assert made.kind == "vector-scene"
        assert made.svg is not None
        assert np.array_equal(np.asarray(rasterise(made.svg, 320, 200)), np.asarray(made.image))
        assert "not a photograph" in made.note

    def test_the_same_seed_gives_the_same_picture(self) -> None:
        engine = engine_for(scene_of({"count": 5, "noun": "star"}))
        first, again, other = (engine.generate("five stars", seed=seed) for seed in (7, 7, 8))
        assert first.svg == again.svg
        assert first.svg != other.svg

    def test_markup_in_the_description_is_text(self) -> None:
        prompt = '</title><script>alert(1)</script> & "a cat" \x00\ud800'
        made = engine_for(scene_of({"noun": "cat"})).generate(prompt, seed=1)
        assert made.svg is not None
        tree = ET.fromstring(made.svg)
        assert not [node for node in tree.iter() if node.tag.endswith("script")]
        title = tree.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert "<script>" in str(title.text)

    def test_markup_in_what_the_chat_model_says_stays_out(self) -> None:
        scene = scene_of({"noun": "<image href='http://x'/>"}, {"noun": "cat"}, place="<b>", setting="room")
        made = engine_for(scene).generate("eine Katze", seed=1)
        assert made.svg is not None
        ET.fromstring(made.svg)
        assert "http://x" not in made.svg
        assert made.unmatched

    @pytest.mark.parametrize(
        ("size", "made"), [((None, None), (1024, 768)), ((400, None), (400, 300)), ((None, 300), (400, 300))]
    )
    def test_sizes(self, size: tuple[int | None, int | None], made: tuple[int, int]) -> None:
        engine = engine_for(scene_of({"noun": "cat"}))
        assert engine.generate("a cat", width=size[0], height=size[1], seed=1).image.size == made

    @pytest.mark.parametrize("size", [(63, 100), (100, 2049), (10_000, 10_000)])
    def test_sizes_it_can_not_draw(self, size: tuple[int, int]) -> None:
        with pytest.raises(InputError, match=r"64 and 2048"):
            engine_for(scene_of()).generate("a cat", width=size[0], height=size[1], seed=1)

    def test_nothing_is_drawn_when_nobody_waits(self) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            engine_for(scene_of({"noun": "cat"})).generate("a cat", seed=1, cancel=cancel)


@pytest.fixture(scope="module")
def engine(weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> VectorScene:
    parts = {}
    for capability, model in (("chat", "qwen2.5-coder-1.5b"), ("text-embedding", "minilm-l6-v2")):
        folder = weights(model)
        entry = Catalog.load().get(model)
        parts[capability] = engine_class(entry)(LoadContext(entry, folder))  # type: ignore[call-arg] # as the controller does
    cache = tmp_path_factory.mktemp("scenes")
    return VectorScene(LoadContext(Catalog.load().get("vector-scene"), Path(), parts=parts, cache=cache))


@pytest.mark.models
class TestWithTheRealModels:
    def test_three_red_balloons_over_a_house(self, engine: VectorScene) -> None:
        made = engine.generate("draw three red balloons over a house", seed=1)
        scene = read_scene(engine._chat, "draw three red balloons over a house")
        layout = engine.compose(scene, "draw three red balloons over a house", seed=1)
        assert made.svg == layout.svg
        assert made.unmatched == ()
        balloons = [item for item in layout.placed if item.art.name == "balloon"]
        (house,) = rects(layout, "house")
        assert len(balloons) == 3
        assert {item.colour for item in balloons} == {"red"}
        assert max(item.rect.bottom for item in balloons) < house.top
        rect = balloons[0].rect
        balloon = made.image.crop((int(rect.left), int(rect.top), int(rect.right), int(rect.bottom)))
        pixels = np.asarray(balloon, np.int32)
        assert ((pixels[..., 0] > 200) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)).mean() > 0.25

    def test_synonyms_are_found_by_meaning_and_named_and_absent_things_are_reported(self, engine: VectorScene) -> None:
        scene = Scene.model_validate(scene_of({"noun": "smartphone"}, {"noun": "fjord"}))
        made = engine.compose(scene, "a smartphone and a fjord")
        assert [item.art.name for item in made.placed] == ["mobile-phone"]
        assert "smartphone as mobile phone" in " ".join(made.notes)
        assert made.unmatched == ("fjord",)
