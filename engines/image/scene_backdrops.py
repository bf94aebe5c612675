"""The backgrounds of vector scenes: flat shapes in the manner of the art, drawn here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from engines.image.scene import Scene, Setting, Time


@dataclass(frozen=True, slots=True)
class Backdrop:
    """``back`` is painted before the things, ``front`` after them. ``ground`` is the y of the baseline in px; where
    things ``float``, there is none. ``water``: what stands on the baseline is half in water.
    """

    back: str
    front: str
    ground: float
    floats: bool = False
    water: bool = False


_SKIES: Final[Mapping[Time, tuple[str, str]]] = {
    "day": ("#8fd3ff", "#e8f7ff"),
    "sunset": ("#7b5ea7", "#ffc28a"),
    "night": ("#141d4a", "#3d4f94"),
}
_DIM: Final[Mapping[Time, float]] = {"day": 0.0, "sunset": 0.16, "night": 0.5}
"""How far the colours of the ground go towards the dark of the hour."""
_DARK: Final[Mapping[Time, str]] = {"day": "#000000", "sunset": "#5b2f5f", "night": "#101a44"}


def draw_backdrop(scene: Scene, width: float, height: float, seed: int, *, clouds: bool = True) -> Backdrop:
    """The setting of ``scene``, ``width`` x ``height`` px. ``clouds``: whether a day sky may have some."""
    pen = _Pen(scene.time, width, height, Random(seed))  # noqa: S311 # jitter, not secrets
    backdrop = _PAINTERS[scene.setting](pen)
    open_air = scene.setting not in ("room", "underwater", "space", "plain")
    middle = "".join(
        (
            pen.stars() if open_air and scene.time == "night" else "",
            pen.clouds() if open_air and (scene.weather != "clear" or (clouds and scene.time == "day")) else "",
        )
    )
    front = backdrop.front
    if scene.setting not in ("room", "underwater", "space"):
        front += {"rain": pen.rain, "snow": pen.snowfall}.get(scene.weather, str)()
    back = backdrop.back.replace(_MIDDLE, middle, 1)
    return Backdrop(back, front, backdrop.ground, backdrop.floats, backdrop.water)


_MIDDLE: Final = "<!--sky-->"
"""Where stars and clouds go: behind hills, before the sky."""


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _ellipse(x: float, y: float, across: float, down: float, colour: str, opacity: float = 1.0) -> str:
    """``across`` and ``down`` are radii."""
    place = f'cx="{x:.1f}" cy="{y:.1f}" rx="{across:.1f}" ry="{down:.1f}"'
    return f'<ellipse {place} fill="{colour}" opacity="{opacity:g}"/>'


class _Pen:
    def __init__(self, time: Time, width: float, height: float, rng: Random) -> None:
        self.time, self.w, self.h, self.rng = time, width, height, rng
        self.horizon = 0.66 * height

    def tint(self, colour: str, much: float = 1.0) -> str:
        """A colour of the day as the hour shows it."""
        return mix(colour, _DARK[self.time], _DIM[self.time] * much)

    def fill(self, top: str, bottom: str) -> str:
        return (
            f'<defs><linearGradient id="air" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
            f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>'
            f'<rect width="{self.w:g}" height="{self.h:g}" fill="url(#air)"/>'
        )

    def sky(self) -> str:
        return self.fill(*_SKIES[self.time]) + _MIDDLE

    def band(self, colour: str, top: float, swell: float = 0.0, *, phase: float = 0.0, waves: float = 1.0) -> str:
        """Everything under a softly waved line."""
        steps = 24
        points = [
            (self.w * i / steps, top - swell * math.sin(math.tau * waves * i / steps + phase)) for i in range(steps + 1)
        ]
        line = " ".join(f"L{x:.1f} {y:.1f}" for x, y in points)
        return f'<path fill="{colour}" d="M0 {self.h:g}{line}L{self.w:g} {self.h:g}z"/>'

    def stars(self) -> str:
        long = max(self.w, self.h)
        spots = [
            f'<circle cx="{self.rng.uniform(0, self.w):.1f}" cy="{self.rng.uniform(0, 0.6 * self.h):.1f}" '
            f'r="{self.rng.uniform(0.0012, 0.0032) * long:.2f}" opacity="{self.rng.uniform(0.5, 1):.2f}"/>'
            for _ in range(60)
        ]
        return f'<g fill="#fff6d6">{"".join(spots)}</g>'

    def clouds(self) -> str:
        colour = {"day": "#ffffff", "sunset": "#ffd9b8", "night": "#5a6aa8"}[self.time]
        made = ""
        for x, y, size in ((0.17, 0.16, 1.0), (0.83, 0.1, 0.8), (0.56, 0.27, 0.6)):
            r = 0.055 * size * min(self.w, 1.6 * self.h)
            cx, cy = self.w * (x + self.rng.uniform(-0.05, 0.05)), self.h * (y + self.rng.uniform(-0.02, 0.02))
            made += (
                f'<rect x="{cx - 2 * r:.1f}" y="{cy - 0.35 * r:.1f}" width="{4 * r:.1f}" height="{r:.1f}" '
                f'rx="{r / 2:.1f}"/>'
                f'<circle cx="{cx - 0.6 * r:.1f}" cy="{cy - 0.2 * r:.1f}" r="{0.75 * r:.1f}"/>'
                f'<circle cx="{cx + 0.5 * r:.1f}" cy="{cy - 0.35 * r:.1f}" r="{0.95 * r:.1f}"/>'
            )
        return f'<g fill="{colour}" opacity=".75">{made}</g>'

    def rain(self) -> str:
        long = 0.035 * self.h
        drops = [
            f"M{x:.1f} {y:.1f}l{-0.3 * long:.1f} {long:.1f}"
            for x, y in ((self.rng.uniform(0, 1.1 * self.w), self.rng.uniform(0, self.h)) for _ in range(90))
        ]
        thick = 0.0035 * min(self.w, self.h)
        return (
            f'<path fill="none" stroke="#cfe6ff" stroke-linecap="round" opacity=".7" stroke-width="{thick:.1f}" '
            f'd="{"".join(drops)}"/>'
        )

    def snowfall(self) -> str:
        flakes = [
            f'<circle cx="{self.rng.uniform(0, self.w):.1f}" cy="{self.rng.uniform(0, self.h):.1f}" '
            f'r="{self.rng.uniform(0.003, 0.008) * min(self.w, self.h):.1f}"/>'
            for _ in range(80)
        ]
        return f'<g fill="#fff" opacity=".85">{"".join(flakes)}</g>'

    def pines(self, colour: str, foot: float, high: float, step: float) -> str:
        """A row of fir trees: the background of a forest."""
        made, x = "", -step / 2
        while x < self.w + step:
            tall = high * self.rng.uniform(0.75, 1.15)
            wide = 0.42 * tall
            for share in (0.0, 0.27, 0.52):
                top, bottom = foot - tall * (1 - share), foot - tall * (0.52 - share) * 0.9
                half = wide * (0.34 + 0.3 * share)
                made += f"M{x:.1f} {top:.1f}L{x + half:.1f} {bottom:.1f}L{x - half:.1f} {bottom:.1f}z"
            x += step * self.rng.uniform(0.8, 1.2)
        return f'<path fill="{colour}" d="{made}"/>'

    def waves(self, colour: str, y: float, long: float, *, opacity: float = 1.0) -> str:
        """A band of water under a scalloped line."""
        count = math.ceil(self.w / long) + 1
        line = "".join(f"q{long / 2:.1f} {-0.35 * long:.1f} {long:.1f} 0" for _ in range(count))
        start = -0.4 * long
        path = f"M{start:.1f} {y:.1f}{line}V{self.h:g}H{start:.1f}z"
        return f'<path fill="{colour}" opacity="{opacity:g}" d="{path}"/>'


def _plain(pen: _Pen) -> Backdrop:
    top, bottom = {
        "day": ("#fdf6ea", "#f7e7cf"),
        "sunset": ("#f6cfa9", "#eab48c"),
        "night": ("#2a3468", "#3d4a86"),
    }[pen.time]
    floor = mix(bottom, "#b98b5e", 0.22) if pen.time != "night" else "#27305f"
    stars = pen.stars() if pen.time == "night" else ""
    return Backdrop(pen.fill(top, bottom) + stars + pen.band(floor, 0.78 * pen.h), "", 0.84 * pen.h)


def _meadow(pen: _Pen) -> Backdrop:
    far, near, close = (pen.tint(colour) for colour in ("#a6dd8b", "#86cf6b", "#6dbd57"))
    back = pen.sky() + pen.band(far, pen.horizon, 0.05 * pen.h, phase=2.2)
    back += pen.band(near, pen.horizon + 0.05 * pen.h, 0.03 * pen.h, phase=5.0)
    back += pen.band(close, 0.83 * pen.h, 0.012 * pen.h, phase=1.0)
    return Backdrop(back, "", 0.84 * pen.h)


def _forest(pen: _Pen) -> Backdrop:
    back = pen.sky() + pen.band(pen.tint("#8cc9a1"), pen.horizon, 0.03 * pen.h)
    back += pen.pines(pen.tint("#6fb389"), pen.horizon + 0.02 * pen.h, 0.38 * pen.h, 0.14 * pen.h)
    back += pen.pines(pen.tint("#4e9a6d"), pen.horizon + 0.06 * pen.h, 0.3 * pen.h, 0.19 * pen.h)
    back += pen.band(pen.tint("#7cc163"), pen.horizon + 0.04 * pen.h, 0.012 * pen.h, phase=2.0)
    return Backdrop(back, "", 0.85 * pen.h)


def _beach(pen: _Pen) -> Backdrop:
    back = pen.sky() + pen.band(pen.tint("#3fa9e0"), 0.56 * pen.h)
    back += pen.waves(pen.tint("#62c1ee"), 0.63 * pen.h, 0.09 * pen.w)
    back += pen.band(pen.tint("#ffffff", 0.8), 0.705 * pen.h, 0.014 * pen.h, phase=1.1)
    back += pen.band(pen.tint("#f6dfa4"), 0.72 * pen.h, 0.014 * pen.h, phase=1.1)
    return Backdrop(back, "", 0.86 * pen.h)


def _sea(pen: _Pen) -> Backdrop:
    back = pen.sky() + pen.band(pen.tint("#3fa9e0"), 0.58 * pen.h)
    back += pen.waves(pen.tint("#4db4ea"), 0.66 * pen.h, 0.11 * pen.w)
    front = pen.waves(pen.tint("#2f95d3"), 0.83 * pen.h, 0.14 * pen.w, opacity=0.92)
    front += pen.waves(pen.tint("#2484c4"), 0.91 * pen.h, 0.17 * pen.w)
    return Backdrop(back, front, 0.75 * pen.h, water=True)


def _underwater(pen: _Pen) -> Backdrop:
    top, bottom = {"day": ("#6fd0f0", "#1f6fb2"), "sunset": ("#6aa7c9", "#27518c"), "night": ("#234f8d", "#0c1f4d")}[
        pen.time
    ]
    bubbles = [
        f'<circle cx="{pen.rng.uniform(0, pen.w):.1f}" cy="{pen.rng.uniform(0, 0.85 * pen.h):.1f}" '
        f'r="{pen.rng.uniform(0.004, 0.014) * min(pen.w, pen.h):.1f}"/>'
        for _ in range(26)
    ]
    back = pen.fill(top, bottom) + f'<g fill="#fff" opacity=".22">{"".join(bubbles)}</g>'
    weed = pen.tint("#3fae7a")
    for x in (0.06, 0.13, 0.86, 0.94):
        back += _weed(pen.w * x, 0.95 * pen.h, 0.24 * pen.h * pen.rng.uniform(0.7, 1.1), 0.02 * pen.h, weed)
    back += pen.band(pen.tint("#e6cf98"), 0.92 * pen.h, 0.014 * pen.h)
    return Backdrop(back, "", 0.93 * pen.h, floats=True)


def _weed(x: float, foot: float, high: float, wide: float, colour: str) -> str:
    step = high / 4
    line = f"M{x:.1f} {foot:.1f}" + "".join(
        f"q{(wide if i % 2 else -wide) * 1.6:.1f} {-step / 2:.1f} 0 {-step:.1f}" for i in range(4)
    )
    return f'<path fill="none" stroke="{colour}" stroke-width="{wide:.1f}" stroke-linecap="round" d="{line}"/>'


def _sky(pen: _Pen) -> Backdrop:
    return Backdrop(pen.sky(), "", 0.96 * pen.h, floats=True)


def _space(pen: _Pen) -> Backdrop:
    back = pen.fill("#0d1033", "#2b1f5c") + pen.stars() + pen.stars()
    back += _ellipse(0.5 * pen.w, 1.12 * pen.h, 0.75 * pen.w, 0.24 * pen.h, "#8c86a8")
    for x, y, size in ((0.22, 0.955, 0.03), (0.5, 0.93, 0.02), (0.74, 0.96, 0.035)):
        back += _ellipse(x * pen.w, y * pen.h, size * pen.w, 0.35 * size * pen.w, "#736d92")
    return Backdrop(back, "", 0.93 * pen.h, floats=True)


def _city(pen: _Pen) -> Backdrop:
    back = pen.sky()
    for colour, low, high, step in (("#b9c9dd", 0.3, 0.5, 0.1), ("#95abc9", 0.18, 0.36, 0.125)):
        x = -0.02 * pen.w
        while x < pen.w:
            wide, tall = step * pen.w * pen.rng.uniform(0.75, 1.15), pen.h * pen.rng.uniform(low, high)
            back += _rect(x, pen.horizon - tall, wide, tall + 0.1 * pen.h, pen.tint(colour))
            back += _windows(pen, x, pen.horizon - tall, wide, tall)
            x += wide * 1.06
    back += _rect(0, pen.horizon, pen.w, pen.h, pen.tint("#cfd3da"))
    back += _rect(0, 0.76 * pen.h, pen.w, pen.h, pen.tint("#6d7280"))
    for i in range(7):
        back += _rect(pen.w * (i + 0.2) / 7, 0.91 * pen.h, 0.085 * pen.w, 0.014 * pen.h, pen.tint("#f3e3a2"))
    return Backdrop(back, "", 0.84 * pen.h)


def _windows(pen: _Pen, x: float, y: float, wide: float, tall: float) -> str:
    colour = "#ffe9a3" if pen.time != "day" else "#dbe7f4"
    side = 0.14 * wide
    made = ""
    for row in range(int(tall / (2.2 * side))):
        for column in range(3):
            if pen.rng.random() < 0.72:
                left, top = x + wide * (0.17 + 0.26 * column), y + side * (0.9 + 2.2 * row)
                made += f"M{left:.1f} {top:.1f}h{side:.1f}v{1.2 * side:.1f}h{-side:.1f}z"
    return f'<path fill="{colour}" opacity=".8" d="{made}"/>'


def _room(pen: _Pen) -> Backdrop:
    floor = 0.74 * pen.h
    back = _rect(0, 0, pen.w, pen.h, pen.tint("#f7dcc0"))
    stripe = pen.w / 14
    for i in range(7):
        back += _rect((2 * i + 0.5) * stripe, 0, stripe, floor, pen.tint("#f3d3b2"))
    back += _rect(0, floor, pen.w, pen.h - floor, pen.tint("#c48f66"))
    for share in (0.3, 0.65):
        back += _rect(0, floor + share * (pen.h - floor), pen.w, 0.005 * pen.h, pen.tint("#b27f58"))
    back += _rect(0, floor - 0.022 * pen.h, pen.w, 0.03 * pen.h, pen.tint("#fff4e6"))
    back += _ellipse(pen.w / 2, 0.88 * pen.h, 0.42 * pen.w, 0.08 * pen.h, pen.tint("#d9705f"), 0.5)
    return Backdrop(back, "", 0.86 * pen.h)


def _mountains(pen: _Pen) -> Backdrop:
    back = pen.sky()
    for x, high, colour in ((0.2, 0.42, "#9fb2cc"), (0.82, 0.48, "#9fb2cc"), (0.52, 0.56, "#8299bb")):
        top, half = pen.horizon - high * pen.h, 0.62 * high * min(pen.w, 1.5 * pen.h)
        foot = pen.horizon + 0.08 * pen.h
        cx = x * pen.w
        back += f'<path fill="{pen.tint(colour)}" d="M{cx:.1f} {top:.1f}L{cx + half:.1f} {foot:.1f}H{cx - half:.1f}z"/>'
        cap, drop = 0.24 * half, 0.24 * (foot - top)
        slope = ((1, 1), (-0.5, -0.22), (-0.5, 0.3), (-0.5, -0.3), (-0.5, 0.22))
        line = "".join(f"l{across * cap:.1f} {down * drop:.1f}" for across, down in slope)
        back += f'<path fill="{pen.tint("#ffffff", 0.7)}" d="M{cx:.1f} {top:.1f}{line}z"/>'
    back += pen.band(pen.tint("#9ad184"), pen.horizon + 0.03 * pen.h, 0.03 * pen.h, phase=0.6)
    back += pen.band(pen.tint("#7cc466"), 0.8 * pen.h, 0.015 * pen.h, phase=3.0)
    return Backdrop(back, "", 0.85 * pen.h)


def _desert(pen: _Pen) -> Backdrop:
    back = pen.sky() + pen.band(pen.tint("#f0c27c"), pen.horizon, 0.06 * pen.h, phase=1.0)
    back += pen.band(pen.tint("#e9b266"), pen.horizon + 0.07 * pen.h, 0.05 * pen.h, phase=4.0)
    back += pen.band(pen.tint("#f2cb8c"), 0.82 * pen.h, 0.02 * pen.h, phase=2.0)
    return Backdrop(back, "", 0.85 * pen.h)


def _snow(pen: _Pen) -> Backdrop:
    back = pen.sky() + pen.pines(pen.tint("#a9c6d8"), pen.horizon + 0.03 * pen.h, 0.2 * pen.h, 0.16 * pen.h)
    back += pen.band(pen.tint("#e3eef8"), pen.horizon, 0.03 * pen.h, phase=2.0)
    back += pen.band(pen.tint("#f5faff"), 0.76 * pen.h, 0.025 * pen.h, phase=5.0)
    return Backdrop(back, "", 0.85 * pen.h)


_PAINTERS: Final[Mapping[Setting, Callable[[_Pen], Backdrop]]] = {
    "plain": _plain,
    "meadow": _meadow,
    "forest": _forest,
    "beach": _beach,
    "sea": _sea,
    "underwater": _underwater,
    "sky": _sky,
    "space": _space,
    "city": _city,
    "room": _room,
    "mountains": _mountains,
    "desert": _desert,
    "snow": _snow,
}


def mix(colour: str, other: str, share: float) -> str:
    """``share`` of the way from one ``#rrggbb`` to the other."""
    pairs = zip((colour[1:3], colour[3:5], colour[5:7]), (other[1:3], other[3:5], other[5:7]), strict=True)
    return "#" + "".join(f"{round(int(a, 16) * (1 - share) + int(b, 16) * share):02x}" for a, b in pairs)
