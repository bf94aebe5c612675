"""How much of a description is in its vector scene: things, counts, colours, positions, backgrounds; and the cost.

    python benchmarks/vector_scenes.py [--pictures FOLDER] [--chat MODEL]

Reads `vector_scenes.toml` with the real chat model. A thing is right when its art is in the picture; its count when so
many are painted; its colour when the art was painted in it, or has it by itself; a position by the painted edges.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.settings import load_settings
from engines.catalog import Catalog, ModelEntry
from engines.image.recolour import COLOURS
from engines.image.scene import Scene, read_scene
from engines.image.scene_blocks import Rect
from engines.image.scene_svg import rasterise
from engines.image.vector_scene import Composition, VectorScene
from engines.loading import LoadContext, engine_class
from engines.weights import WeightStore

SCENES = Path(__file__).with_suffix(".toml")

#: Art that has its colour by itself, beside what was recoloured.
BY_ITSELF = {
    *("red balloon", "red strawberry", "yellow bus", "red rose", "green frog", "green turtle", "blue whale"),
    *("white swan", "gold trophy", "brown dog", "white rabbit"),
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--pictures", type=Path)
    options.add_argument("--scenes", type=Path, help="keep what the chat model read, or take it from there")
    options.add_argument("--chat", default="qwen2.5-coder-1.5b")
    given = options.parse_args()
    store = WeightStore(load_settings().models_dir)
    parts = {name: _load(store, model) for name, model in (("chat", given.chat), ("text-embedding", "minilm-l6-v2"))}
    entry = Catalog.load().get("vector-scene")
    engine = VectorScene(LoadContext(entry, Path(), parts=parts))
    read_scene(parts["chat"], "a cup")  # the worked examples are read once
    engine.compose(read_scene(parts["chat"], "a dragonfly"), "a dragonfly")  # and the labels embedded
    judge = _Judge()
    cost: Counter[str] = Counter()
    kept = _kept(given.scenes)
    scenes = tomllib.loads(SCENES.read_text("utf-8"))["scene"]
    for number, scene in enumerate(scenes):
        wall, cpu = time.perf_counter(), time.process_time()
        read, english = kept.get(scene["prompt"]) or engine.read(scene["prompt"])
        kept[scene["prompt"]] = read, english
        cost["reading, wall s"] += time.perf_counter() - wall
        cost["reading, CPU-s"] += time.process_time() - cpu
        cpu = time.process_time()
        made = engine.compose(read, english, seed=number)
        image = rasterise(made.svg, 1024, 768)
        cost["drawing, CPU-s"] += time.process_time() - cpu
        if given.pictures:
            image.save(given.pictures / f"{number:02}.png")
        wrong = judge.wrong(scene, made)
        print(f"{number:2} {scene['prompt']}{': ' + '; '.join(wrong) if wrong else ''}", flush=True)
    if given.scenes:
        given.scenes.write_text(
            json.dumps({prompt: (read.model_dump(), said) for prompt, (read, said) in kept.items()}), "utf-8"
        )
    for what, count in judge.asked.items():
        print(f"{what}: {judge.right[what]} of {count} ({judge.right[what] / count:.0%})")
    for what, total in cost.items():
        print(f"{what} a picture: {total / len(scenes):.2f}")


def _load(store: WeightStore, model: str) -> Any:
    entry: ModelEntry = Catalog.load().get(model)
    return engine_class(entry)(LoadContext(entry, store.require(entry)))  # type: ignore[call-arg] # as the controller does


def _kept(path: Path | None) -> dict[str, tuple[Scene, str]]:
    if path is None or not path.exists():
        return {}
    read = json.loads(path.read_text("utf-8"))
    return {prompt: (Scene.model_validate(scene), said) for prompt, (scene, said) in read.items()}


class _Judge:
    """Counts what was asked for and what was right."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def wrong(self, scene: dict[str, Any], made: Composition) -> list[str]:
        """What is wrong with a picture, in words."""
        wrong = [words for thing in scene["things"] for words in self._thing(thing, scene, made)]
        for relation in scene.get("relations", []):
            wrong += self._position(relation, made)
        for background in scene.get("background", []):
            shown = (made.scene.setting, made.scene.time)
            wrong += self._check("backgrounds", background in shown, f"on {shown}")
        for noun in scene.get("unmatched", []):
            wrong += self._check("absent nouns reported", noun in made.unmatched, f"{noun} is not reported")
        expected = {thing.split()[-1] for thing in scene["things"]}
        extra = sorted({item.art.name for item in made.placed} - expected - {"table"})
        return wrong + self._check("pictures without anything more", not extra, f"also {', '.join(extra)}")

    def _check(self, what: str, fits: bool, words: str) -> list[str]:
        self.asked[what] += 1
        self.right[what] += fits
        return [] if fits else [words]

    def _thing(self, thing: str, scene: dict[str, Any], made: Composition) -> list[str]:
        words = thing.split()
        colour, name = next((word for word in words if word in COLOURS), ""), words[-1]
        painted = [item for item in made.placed if item.art.name == name]
        if sum(other.split()[-1] == name for other in scene["things"]) > 1:
            painted = [item for item in painted if item.colour == colour]
        wrong = self._check("things", bool(painted), f"no {name}")
        if painted and words[0].isdigit():
            wrong += self._check("counts", len(painted) == int(words[0]), f"{len(painted)} {name}")
        if painted and colour:
            fits = all(item.colour == colour for item in painted) or f"{colour} {name}" in BY_ITSELF
            wrong += self._check("colours", fits, f"{name} is {painted[0].colour or 'as it is'}")
        return wrong

    def _position(self, relation: str, made: Composition) -> list[str]:
        first, how, second = relation.split()
        a = [item.rect for item in made.placed if item.art.name == first]
        b = [item.rect for item in made.placed if item.art.name == second]
        if not (a and b):
            return []
        return self._check("positions", STANDS[how](Rect.around(a), Rect.around(b)), f"not {relation}")


def _across(a: Rect, b: Rect) -> bool:
    return a.left < b.right and a.right > b.left


#: How the first stands to the second, by the painted edges in px.
STANDS: dict[str, Callable[[Rect, Rect], bool]] = {
    "above": lambda a, b: a.bottom <= b.top + 1 and _across(a, b),
    "under": lambda a, b: a.centre > b.centre and _across(a, b),
    "on": lambda a, b: a.top < b.top + 0.3 * b.height and b.top - 1 <= a.bottom < b.bottom and _across(a, b),
    "left": lambda a, b: a.middle < b.left,
    "right": lambda a, b: a.middle > b.right,
    "beside": lambda a, b: a.right <= b.left + 1 or a.left >= b.right - 1,
    "behind": lambda a, b: a.bottom < b.bottom and abs(a.middle - b.middle) < a.width + b.width,
    "front": lambda a, b: a.bottom > b.bottom and abs(a.middle - b.middle) < (a.width + b.width) / 2,
    "inside": lambda a, b: a.left >= b.left - 1 and a.right <= b.right + 1 and a.top >= b.top - 1,
    "around": lambda a, b: a.left < b.left and a.right > b.right,
}


if __name__ == "__main__":
    main()
