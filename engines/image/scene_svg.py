"""A laid-out scene as SVG, and as pixels by resvg. All markup is made here; texts from outside are escaped."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from engines.image.recolour import fills, recolour
from engines.image.scene_backdrops import Backdrop
from engines.image.scene_blocks import Placed
from engines.image.vector_art import Art

if TYPE_CHECKING:
    from PIL.Image import Image

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GLASS = frozenset({"#26c9fc", "#83cbff", "#00a6ed", "#50e2ff", "#26eafc"})
"""The art's blues for windows, screens and water."""
_HEAD = '<svg xmlns="http://www.w3.org/2000/svg"'


def to_svg(backdrop: Backdrop, placed: Sequence[Placed], *, width: int, height: int, title: str, wet: set[int]) -> str:
    """The whole picture. Each art in each colour is written once and used as often as it is shown.

    ``wet`` are the things in the water: they are painted behind the backdrop's front.
    """
    symbols: dict[tuple[str, str], str] = {}
    for item in placed:
        symbols.setdefault((item.art.name, item.colour), f"a{len(symbols)}")
    bodies = {(item.art.name, item.colour): coloured(item.art, item.colour) for item in placed}
    defs = "".join(f'<g id="{symbols[key]}">{_own_ids(body, symbols[key])}</g>' for key, body in bodies.items())
    behind = [item for item in placed if item.thing in wet]
    before = [item for item in placed if item.thing not in wet]
    layers = (behind + before, []) if not backdrop.water else (behind, before)
    return (
        f'{_HEAD} width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{escape(_NOT_XML.sub('', title))}</title>"
        f"<defs>{defs}</defs>{backdrop.back}"
        + "".join(_shadow(item) for item in placed if item.stands and item.thing not in wet and not backdrop.water)
        + "".join(_use(item, symbols) for item in layers[0])
        + backdrop.front
        + "".join(_use(item, symbols) for item in layers[1])
        + "</svg>"
    )


def rasterise(svg: str, width: int, height: int) -> Image:
    """RGB pixels of an SVG; no font and no file is looked for."""
    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGB")


@lru_cache(maxsize=256)
def coloured(art: Art, colour: str) -> str:
    """The art's body in another colour; unchanged without one."""
    if not colour:
        return art.svg
    share = dict(shares(art))
    if art.group.startswith(("transport", "computer", "light-video")):  # a red bus has no red windows
        share.update({fill: 0.35 * share[fill] for fill in _GLASS & share.keys()})
    return recolour(art.svg, colour, share)


def shares(art: Art) -> Mapping[str, float]:
    """How much of the picture each of its colours covers, 0..1: counted in a small rendering."""
    import numpy as np
    import resvg_py
    from PIL import Image

    colours = fills(art.svg)
    svg = f'{_HEAD} viewBox="0 0 32 32">{art.svg}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, width=64, height=64, skip_system_fonts=True)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), np.float32).reshape(-1, 4)
    seen = pixels[pixels[:, 3] > 200][:, :3]
    if not len(seen) or not colours:
        return {}
    known = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours], np.float32)
    nearest = ((seen[:, None] - known[None]) ** 2).sum(2).argmin(1)
    counts = Counter(nearest.tolist())
    return {colour: counts[number] / len(seen) for number, colour in enumerate(colours)}


def _use(item: Placed, symbols: Mapping[tuple[str, str], str]) -> str:
    left, top, right, _ = item.art.box
    rect = item.rect
    scale = rect.width / (right - left)
    x, y = rect.left - left * scale, rect.top - top * scale
    turn = f"translate({rect.left + rect.right:.2f} 0) scale(-1 1) " if item.flipped else ""
    name = symbols[(item.art.name, item.colour)]
    return f'<use href="#{name}" transform="{turn}translate({x:.2f} {y:.2f}) scale({scale:.4f})"/>'


def _shadow(item: Placed) -> str:
    rect = item.rect
    return (
        f'<ellipse cx="{rect.middle:.1f}" cy="{rect.bottom:.1f}" rx="{0.46 * rect.width:.1f}" '
        f'ry="{min(0.07 * rect.width, 0.06 * rect.height):.1f}" fill="#10142c" opacity=".16"/>'
    )


def _own_ids(body: str, prefix: str) -> str:
    """One art in two colours is in the file twice: its ids must not meet."""
    for name in dict.fromkeys(re.findall(r'\sid="([^"]+)"', body)):
        body = re.sub(rf'(id="|"#|url\(#){re.escape(name)}(?=["\)])', rf"\g<1>{prefix}-{name}", body)
    return body
