"""Give flat art another colour and keep its shading.

Colours are moved in OKLCH (B. Ottosson, "A perceptual color space for image processing", 2020), where equal steps look
equal: the art's main hue becomes the wanted one, and its lighter and darker parts stay lighter and darker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

#: The colours a scene can ask for.
COLOURS: Final[Mapping[str, str]] = {
    "red": "#f8312f",
    "orange": "#ff822d",
    "yellow": "#fcd53f",
    "green": "#3fa845",
    "blue": "#2f6fea",
    "light blue": "#74c7f5",
    "purple": "#8d51c9",
    "pink": "#ff7bb5",
    "brown": "#8b5a3c",
    "black": "#2f2f38",
    "grey": "#8f929c",
    "white": "#f2f3f7",
    "gold": "#e7b416",
    "silver": "#b9c0cb",
    "turquoise": "#2bbfb3",
}

_NEAR_HUE: Final = 42.0
"""Degrees: parts this near to the main hue are the same thing in light and shadow."""
_GREY: Final = 0.035
"""Chroma under which a colour has no hue to speak of."""
_FILL: Final = re.compile(r'((?:fill|stroke|stop-color)=")(#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?)(")')
_Lch = tuple[float, float, float]


def recolour(svg: str, colour: str, shares: Mapping[str, float]) -> str:
    """``svg`` with its main colour turned into ``colour``, a key of `COLOURS`.

    ``shares`` says how much of the picture each ``#rrggbb`` covers.
    """
    parts = {fill: _lch(fill) for fill in shares}
    main = _main_parts(parts, shares)
    if not main:
        return svg
    weight = sum(shares[fill] for fill in main)
    middle = sum(parts[fill][0] * shares[fill] for fill in main) / weight
    chroma = max(_GREY, sum(parts[fill][1] * shares[fill] for fill in main) / weight)
    hue = _mean_hue(main, parts, shares)
    light, strong, wanted = _lch(COLOURS[colour])
    new = {}
    for fill in main:
        part_light, part_chroma, part_hue = parts[fill]
        # Shades keep their distance from the main one, squeezed where white or black leaves no room.
        lightness = min(0.99, max(0.08, light + 0.8 * (part_light - middle)))
        hued = part_chroma > _GREY
        turned = wanted + 0.35 * _turn(part_hue - hue) if hued else wanted
        new[fill] = _hex(lightness, strong * min(1.25, max(0.55, part_chroma / chroma)) if hued else strong, turned)
    return _FILL.sub(lambda match: f"{match[1]}{new.get(_long(match[2]), match[2])}{match[3]}", svg)


def fills(svg: str) -> tuple[str, ...]:
    """Every colour of the art as ``#rrggbb``."""
    return tuple(dict.fromkeys(_long(match[2]) for match in _FILL.finditer(svg)))


def _main_parts(parts: Mapping[str, _Lch], shares: Mapping[str, float]) -> list[str]:
    """The fills of the hue that covers most; of grey art, its greys but for ink and highlights."""
    hued = {fill: lch for fill, lch in parts.items() if lch[1] > _GREY}
    # Dark violet is the art's ink: tyres and outlines. It is the main colour of what has no other.
    weight = {fill: shares[fill] * (0.4 if lch[0] < 0.45 and lch[1] < 0.13 else 1.0) for fill, lch in hued.items()}
    area = {
        fill: sum(weight[other] for other, lch in hued.items() if abs(_turn(lch[2] - hued[fill][2])) <= _NEAR_HUE / 2)
        for fill in hued
    }
    total = sum(shares.values())
    if area and max(area.values()) >= 0.2 * total:
        core = max(area, key=lambda fill: area[fill])
        return [fill for fill, lch in hued.items() if abs(_turn(lch[2] - hued[core][2])) <= _NEAR_HUE]
    greys = [fill for fill, (light, chroma, _) in parts.items() if chroma <= _GREY and light > 0.3]
    return greys or list(hued)


def _mean_hue(main: list[str], parts: Mapping[str, _Lch], shares: Mapping[str, float]) -> float:
    x = sum(math.cos(math.radians(parts[fill][2])) * parts[fill][1] * shares[fill] for fill in main)
    y = sum(math.sin(math.radians(parts[fill][2])) * parts[fill][1] * shares[fill] for fill in main)
    return math.degrees(math.atan2(y, x))


def _turn(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def _long(colour: str) -> str:
    colour = colour.lower()
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])


def _lch(colour: str) -> _Lch:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    light = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return light, math.hypot(a, b), math.degrees(math.atan2(b, a))


def _hex(light: float, chroma: float, hue: float) -> str:
    """The nearest colour a screen can show: chroma gives way, lightness and hue stay."""
    rgb = _rgb(light, chroma, hue)
    while chroma > 0.001 and not all(-0.001 <= part <= 1.001 for part in rgb):
        chroma *= 0.93
        rgb = _rgb(light, chroma, hue)
    return "#" + "".join(f"{round(255 * _encoded(min(1.0, max(0.0, part)))):02x}" for part in rgb)


def _rgb(light: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _encoded(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
