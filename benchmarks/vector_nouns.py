"""How near a word must be to a label to be drawn by it: the threshold of `engines.image.vector_art`.

    python benchmarks/vector_nouns.py

The nouns below were written for this. Those of `HAS` mean something the art shows under another name; those of `LACKS`
mean something it does not show. Prints, for each threshold, how many of the first find an accepted
picture by their meaning alone, and how many of the second wrongly find one.
"""

from __future__ import annotations

from agent.settings import load_settings
from engines.catalog import Catalog
from engines.image.vector_art import NEAR_ENOUGH, ArtShelf, Found
from engines.loading import LoadContext
from engines.text.embeddings import MiniLM
from engines.weights import WeightStore

#: noun -> arts that show it
HAS = {
    "automobile car": "automobile",
    "sedan": "automobile",
    "motorcar": "automobile",
    "taxi cab": "taxi",
    "locomotive train": "locomotive",
    "steam train": "locomotive",
    "aircraft": "airplane small-airplane",
    "chopper": "helicopter",
    "sailing boat": "sailboat",
    "rowboat": "canoe",
    "kayak": "canoe",
    "cruise ship": "passenger-ship ship",
    "lorry truck": "delivery-truck articulated-lorry",
    "bulldozer": "tractor",
    "rooster bird": "rooster",
    "hen": "chicken rooster",
    "duckling": "duck baby-chick",
    "hare": "rabbit",
    "bull": "ox water-buffalo",
    "calf": "cow",
    "donkey mule": "donkey",
    "foal": "horse",
    "stallion": "horse",
    "hound": "dog",
    "pup": "dog",
    "tabby cat": "cat",
    "feline": "cat",
    "grizzly bear": "bear",
    "ape": "gorilla orangutan monkey",
    "alligator": "crocodile",
    "tortoise": "turtle",
    "serpent": "snake",
    "toad": "frog",
    "orca": "whale spouting-whale dolphin",
    "goldfish": "fish tropical-fish",
    "calamari": "squid",
    "prawn": "shrimp",
    "bumblebee": "honeybee",
    "caterpillar": "bug worm",
    "moth": "butterfly",
    "daffodil": "tulip blossom sunflower hyacinth",
    "bouquet of flowers": "bouquet",
    "oak tree": "deciduous-tree",
    "maple tree": "deciduous-tree maple-leaf",
    "spruce": "evergreen-tree",
    "cottage": "house hut house-with-garden",
    "mansion": "castle house house-with-garden",
    "skyscraper": "office-building cityscape",
    "cathedral": "church",
    "chapel": "church",
    "palace": "castle",
    "fortress": "castle",
    "cabin": "hut house",
    "barn": "",
    "armchair": "chair couch-and-lamp",
    "stool": "chair",
    "bathtub tub": "bathtub",
    "infant": "baby",
    "lady": "woman",
    "gentleman": "man",
    "grandmother": "old-woman",
    "grandpa": "old-man",
    "fireman": "firefighter man-firefighter",
    "policewoman": "woman-police-officer",
    "chef": "cook",
    "spaceman": "astronaut man-astronaut",
    "snowfall": "cloud-with-snow snowflake",
    "thunderstorm": "cloud-with-lightning cloud-with-lightning-and-rain",
    "bonfire": "fire camping",
    "flame": "fire",
    "backpack bag": "backpack",
    "trousers": "jeans",
    "sneakers": "running-shoe",
    "spectacles": "glasses",
    "necktie tie": "necktie",
    "notebook computer": "laptop",
    "smartphone": "mobile-phone",
    "newspaper paper": "newspaper rolled-up-newspaper",
    "brownie": "chocolate-bar",
    "muffin": "cupcake",
    "noodles": "spaghetti steaming-bowl",
    "cappuccino": "hot-beverage",
    "birthday present": "wrapped-gift",
    "gift box": "wrapped-gift",
    "violin fiddle": "violin",
    "trophy cup": "trophy",
    "treasure": "money-bag gem-stone coin",
    "wand": "magic-wand",
    "aubergine": "eggplant",
    "maize": "ear-of-corn",
    "cottage house": "house",
    "satellite dish": "satellite-antenna",
    "rugby ball": "rugby-football",
    "clover": "shamrock four-leaf-clover",
}
#: Nouns, with commas between them.
LACKS = """
fjord, lighthouse, windmill, submarine, crane, dragonfly, escalator, ostrich, pelican, walrus, cheetah, seagull,
woodpecker, jaguar, armadillo, lemur, meerkat, platypus, starfish, stingray, seahorse, porcupine, anteater,
hyena, antelope, swordfish, parakeet, curtain, carpet, bookshelf, wardrobe, chimney, waterfall, canyon, glacier,
swamp, river, lake, tunnel, pyramid, igloo, pier, harbour, scarecrow, trampoline, swing, seesaw, sandcastle,
wheelbarrow, hourglass, blender, refrigerator, oven, microwave, dishwasher, toaster, kettle, harp, cello,
xylophone, harmonica, bagpipe, trombone, zeppelin, glider, hovercraft, wine cellar, tapestry, chandelier,
typewriter, compassion, freedom, quantum, philosophy, economy, gravel, asphalt, knight's armour, cannon,
catapult, spear, gun, tank, pomegranate, artichoke, asparagus, cauliflower, lasagna, risotto, mountain lion, sea
lion, sofa bed factory
"""


def main() -> None:
    store = WeightStore(load_settings().models_dir)
    entry = Catalog.load().get("minilm-l6-v2")
    shelf = ArtShelf(MiniLM(LoadContext(entry, store.require(entry))))
    has = [_judged(shelf, noun, right.split()) for noun, right in HAS.items()]
    lacks = [_judged(shelf, noun.strip(), []) for noun in LACKS.split(",")]
    for threshold in (0.6, 0.65, 0.7, 0.75, 0.77, 0.79, 0.81, 0.85):
        right = sum(score >= threshold and good for score, good, _, _ in has)
        wrong = sum(score >= threshold and not good for score, good, _, _ in has)
        false = sum(score >= threshold for score, *_ in lacks)
        print(
            f"nearest label >= {threshold}: {right} right, {wrong} wrong of {len(has)}; {false} of {len(lacks)} absent"
        )
    drawn = [(found, good) for _, _, found, good in has if found]
    right = sum(good for _, good in drawn)
    false = sum(found is not None for _, _, found, _ in lacks)
    print(
        f"as shipped ({NEAR_ENOUGH}, with aliases): {right} right, {len(drawn) - right} wrong of {len(has)}; "
        f"{false} of {len(lacks)} absent nouns drawn as something else"
    )


def _judged(shelf: ArtShelf, noun: str, right: list[str]) -> tuple[float, bool, Found | None, bool]:
    """How near the nearest label is and whether it is right; what is found, and whether that is right."""
    name, score = shelf.likeness(noun)
    found = shelf.find(noun)
    shown = f"{found.art.name} {'right' if found.art.name in right else 'WRONG'}" if found else "-"
    print(f"  {noun:22} nearest {name:28} {score:.2f}  found {shown}")
    return score, name in right, found, bool(found and found.art.name in right)


if __name__ == "__main__":
    main()
