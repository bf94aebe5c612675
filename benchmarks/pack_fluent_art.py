"""Pack the Fluent Emoji art and its words into `engines/data/fluent/art.jsonl.xz`.

    npm pack @iconify-json/fluent-emoji-flat@1.2.6 emojibase-data@17.0.0   # and unpack both
    python benchmarks/pack_fluent_art.py FLUENT/package EMOJIBASE/package engines/data/fluent/art.jsonl.xz

One JSON object a line: ``name`` (the art's), ``label`` and ``tags`` (what people call it), ``group`` (its family),
``box`` (left, top, right, bottom of what is painted, in the art's 32 x 32 units) and ``svg`` (its body).
Both packages are under the MIT licence. The result is the same, byte for byte, for the same packages.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import sys
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image

_SKIN = re.compile(r"-(dark|light|medium|medium-dark|medium-light)$")
_LEFT_OUT = {"skin-tone", "hair-style", "keycap", "alphanum", "gender", "punctuation", "av-symbol"}
"""Parts of other emoji, and signs that are letters."""
_ELEMENTS = {
    *("path", "g", "ellipse", "use", "defs", "circle", "rect", "stop", "clipPath", "linearGradient"),
    *("radialGradient", "filter", "feColorMatrix", "feBlend", "feFlood", "feOffset", "feGaussianBlur"),
}
_SCALE = 8
"""Pixels per unit when the painted box is measured."""


def main() -> None:
    fluent, emojibase, target = (Path(given) for given in sys.argv[1:4])
    icons = json.loads((fluent / "icons.json").read_text("utf-8"))["icons"]
    chars = json.loads((fluent / "chars.json").read_text("utf-8"))
    words = {_plain(item["hexcode"]): item for item in json.loads((emojibase / "en/data.json").read_text("utf-8"))}
    groups = json.loads((emojibase / "meta/groups.json").read_text("utf-8"))["subgroups"]
    names = {name: words[_plain(char)] for char, name in chars.items() if _plain(char) in words}
    lines = []
    for name in sorted(icons):
        word = names.get(name)
        group = groups.get(str(word.get("subgroup"))) if word else None
        if _SKIN.search(name) or word is None or group is None or group in _LEFT_OUT:
            continue
        lines.append(
            json.dumps(_art(name, word, group, icons[name]["body"]), separators=(",", ":"), ensure_ascii=False)
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(lines)} pictures, {target.stat().st_size:,} bytes")


def _art(name: str, word: dict[str, Any], group: str, body: str) -> dict[str, Any]:
    strange = set(re.findall(r"<([A-Za-z]\w*)", body)) - _ELEMENTS
    if strange or re.search(r"\son\w+=|href=\"(?!#)|javascript:", body):
        raise SystemExit(f"{name}: not plain art: {sorted(strange)}")
    for given in dict.fromkeys(re.findall(r'\sid="([^"]+)"', body)):  # ids of two pictures must not meet in one scene
        body = re.sub(rf'(id="|"#|url\(#){re.escape(given)}(?=["\)])', rf"\g<1>{name}-{given}", body)
    return {
        "name": name,
        "label": word["label"],
        "tags": word.get("tags", []),
        "group": group,
        "box": _painted(body),
        "svg": body,
    }


def _painted(body: str) -> list[float]:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{body}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, width=32 * _SCALE, height=32 * _SCALE, skip_system_fonts=True)
    box = Image.open(io.BytesIO(png)).getchannel("A").point(lambda alpha: 255 * (alpha > 40)).getbbox()
    if box is None:
        raise SystemExit("a picture that paints nothing")
    return [round(edge / _SCALE, 2) for edge in box]


def _plain(hexcode: str) -> str:
    return hexcode.lower().replace("-fe0f", "")


if __name__ == "__main__":
    main()
