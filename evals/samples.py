"""Makes a folder of items for `evals.engines` from what the project ships: ``python -m evals.samples FOLDER``

Recordings and photographs are those of `tests/media` (public domain, see there); pages are rendered, cut-outs are drawn
things on photographs, whose masks are therefore known exactly; texts are in `samples.toml`. The set is small: it tells
a broken engine from a working one, and two engines apart that differ much.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engines.audio.read import read_audio, write_wav
from engines.protocols import Audio

MEDIA = Path(__file__).parents[1] / "tests" / "media"
JFK = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
LJ = "in being comparatively modern."

Item = dict[str, Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Write the items into FOLDER."""
    texts = tomllib.loads(Path(__file__).with_name("samples.toml").read_text("utf-8"))
    makers: dict[str, Callable[[Path], Iterable[Item]]] = {
        "speech-to-text": transcripts,
        "text-to-speech": lambda _: texts["speech"],
        "voice-activity": speech_spans,
        "speaker-embedding": speakers,
        "object-detection": objects,
        "image-classification": classes,
        "segmentation": cut_outs,
        "text-recognition": lambda place: pages(place, texts["pages"]),
        "image-upscaling": photographs,
        "translation": lambda _: translations(texts["rights"]),
        "sentiment": lambda _: labelled(texts["sentiment"]),
        "text-emotion": lambda _: labelled(texts["emotion"]),
        "language-identification": lambda _: languages(texts["rights"]),
    }
    for name, make in makers.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(item, ensure_ascii=False) for item in make(place)]
        (place / "items.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        click.echo(f"{name}: {len(lines)} items")


def _copied(place: Path, *names: str) -> None:
    for name in names:
        shutil.copy(MEDIA / name, place)


# ------------------------------------------------------------------------------------------------------- sound


def transcripts(place: Path) -> Iterator[Item]:
    """Two public-domain recordings, and both again in the quality of a telephone."""
    for name, text in (("jfk.flac", JFK), ("LJ001-0002.wav", LJ)):
        _copied(place, name)
        yield {"audio": name, "text": text, "language": "en"}
        phone = f"{Path(name).stem}-8k.wav"
        write_wav(read_audio(MEDIA / name, rate=8_000), place / phone)
        yield {"audio": phone, "text": text, "language": "en"}


def speech_spans(place: Path) -> Iterator[Item]:
    """A sentence without pauses, between stretches of faint noise of known length."""
    speech = read_audio(MEDIA / "LJ001-0002.wav")
    noise = np.random.default_rng(0)
    for number, (before, after) in enumerate(((1.0, 1.0), (2.5, 0.5), (0.3, 3.0))):
        quiet = [noise.normal(0, 0.001, round(s * speech.rate)).astype(np.float32) for s in (before, after)]
        sound = Audio(np.concatenate([quiet[0], speech.samples, quiet[1]]), speech.rate)
        write_wav(sound, place / f"{number}.wav")
        yield {"audio": f"{number}.wav", "spans": [[before, before + speech.seconds]]}


def speakers(place: Path) -> Iterator[Item]:
    """Pieces of two speakers' recordings, each against each."""
    pieces: list[tuple[str, str]] = []
    jfk = read_audio(MEDIA / "jfk.flac")
    third = len(jfk.samples) // 3
    for number in range(3):
        write_wav(Audio(jfk.samples[number * third : (number + 1) * third], jfk.rate), place / f"jfk-{number}.wav")
        pieces.append(("jfk", f"jfk-{number}.wav"))
    _copied(place, "LJ001-0002.wav")
    pieces.append(("lj", "LJ001-0002.wav"))
    for index, (one, a) in enumerate(pieces):
        for other, b in pieces[index + 1 :]:
            yield {"a": a, "b": b, "same": one == other}


# ---------------------------------------------------------------------------------------------------- pictures


def objects(place: Path) -> Iterator[Item]:
    """Two photographs, boxed by hand."""
    _copied(place, "astronaut.jpg", "chelsea.jpg")
    yield {"image": "astronaut.jpg", "boxes": [{"label": "person", "left": 22, "top": 5, "right": 460, "bottom": 511}]}
    yield {"image": "chelsea.jpg", "boxes": [{"label": "cat", "left": 38, "top": 8, "right": 451, "bottom": 299}]}


def classes(place: Path) -> Iterator[Item]:
    """ImageNet has no class of people, so the cat is alone."""
    _copied(place, "chelsea.jpg")
    yield {"image": "chelsea.jpg", "labels": ["tabby", "tabby cat", "tiger cat", "Egyptian cat"]}


def photographs(place: Path) -> Iterator[Item]:
    """As they are: upscaling makes them small itself."""
    _copied(place, "astronaut.jpg", "chelsea.jpg")
    yield from ({"image": name} for name in ("astronaut.jpg", "chelsea.jpg"))


def cut_outs(place: Path) -> Iterator[Item]:
    """Drawn things on photographs: a disc, a star and a house, shaded, so that their masks are known exactly."""
    for number, (photo, shape) in enumerate(
        (photo, shape) for photo in ("astronaut.jpg", "chelsea.jpg") for shape in SHAPES
    ):
        picture = Image.open(MEDIA / photo).convert("RGB")
        mask = _drawn(picture.size, SHAPES[shape])
        shaded = Image.merge(
            "RGB", [_shade(picture.size, low, high) for low, high in ((150, 240), (40, 120), (20, 60))]
        )
        picture.paste(shaded, mask=mask)
        picture.save(place / f"{number}.png")
        mask.save(place / f"{number}-mask.png")
        left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
        yield {
            "image": f"{number}.png",
            "mask": f"{number}-mask.png",
            "box": [left - 4, top - 4, right + 4, bottom + 4],
        }


#: Corners as shares of the picture's smaller edge, from the left and the top.
SHAPES: Mapping[str, list[tuple[float, float]]] = {
    "disc": [(0.5 + 0.28 * np.cos(a), 0.5 + 0.28 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 90)],
    "star": [
        (0.5 + r * np.sin(n * np.pi / 5), 0.5 - r * np.cos(n * np.pi / 5))
        for n in range(10)
        for r in [0.32 if n % 2 == 0 else 0.14]
    ],
    "house": [(0.25, 0.8), (0.25, 0.45), (0.5, 0.2), (0.75, 0.45), (0.75, 0.8)],
}


def _drawn(size: tuple[int, int], corners: Iterable[tuple[float, float]]) -> Image.Image:
    mask = Image.new("L", size)
    edge = min(size)
    ImageDraw.Draw(mask).polygon([(x * edge, y * edge) for x, y in corners], fill=255)
    return mask


def _shade(size: tuple[int, int], low: int, high: int) -> Image.Image:
    width, height = size
    return Image.fromarray(np.tile(np.linspace(high, low, height, dtype=np.uint8)[:, None], (1, width)))


def pages(place: Path, texts: Mapping[str, str]) -> Iterator[Item]:
    """Each text in three sizes, one of them on a page that is a little askew."""
    for name, text in texts.items():
        for size, turn in ((18, 0.0), (32, 0.0), (28, 3.0)):
            font = ImageFont.load_default(size)
            probe = ImageDraw.Draw(Image.new("L", (1, 1)))
            _, _, right, bottom = probe.multiline_textbbox((0, 0), text, font=font, spacing=size // 2)
            page = Image.new("RGB", (int(right) + 4 * size, int(bottom) + 4 * size), "white")
            ImageDraw.Draw(page).multiline_text((2 * size, 2 * size), text, "black", font, spacing=size // 2)
            file = f"{name}-{size}.png"
            page.rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor="white").save(place / file)
            yield {"image": file, "text": text}


# ------------------------------------------------------------------------------------------------------- texts


def translations(rights: Mapping[str, Mapping[str, str]]) -> Iterator[Item]:
    """Out of English and into it."""
    for code, articles in rights.items():
        for number, text in articles.items():
            english = rights["en"][number]
            if code in ("es", "fr", "de", "it", "pt", "ru"):
                yield {"text": english, "source": "en", "target": code, "reference": text}
                yield {"text": text, "source": code, "target": "en", "reference": english}


def languages(rights: Mapping[str, Mapping[str, str]]) -> Iterator[Item]:
    """Every article, whole and its first eight words."""
    for code, articles in rights.items():
        for text in articles.values():
            yield {"text": text, "language": code}
            if len(text.split()) > 8:
                yield {"text": " ".join(text.split()[:8]), "language": code}


def labelled(texts: Mapping[str, list[str]]) -> Iterator[Item]:
    """Texts by label, as items."""
    for label, examples in texts.items():
        yield from ({"text": text, "label": label} for text in examples)


if __name__ == "__main__":
    main()
