"""Does an embedded engine keep memory that it should give back? Its resident size over many calls.

    python benchmarks/leaks.py [--calls 200] [--only ID ...]

Each engine is called with inputs of changing size. The first tenth of the calls warms its buffers up; what is printed
is how much this process grew from then to the end, and the slope of a line through the last half, in kB a call. A leak
of one picture or sound a call would be hundreds of kB; allocators move by a few.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agent.app import App, open_app
from engines.audio.read import read_audio
from engines.errors import SensoriumError
from engines.image.read import read_image
from engines.protocols import Audio, Box, Engine

MEDIA = Path(__file__).parents[1] / "tests" / "media"
Call = Callable[[Any, int], object]


def calls() -> dict[str, Call]:
    """What each embedded model is asked, the n-th time."""
    photo, speech = read_image(MEDIA / "astronaut.jpg"), read_audio(MEDIA / "LJ001-0002.wav")
    photos = [photo.resize((200 + 40 * n, 300 - 10 * n)) for n in range(8)]
    sounds = [Audio(np.resize(speech.samples, len(speech.samples) - 1000 * n), speech.rate) for n in range(8)]
    sentences = [f"Sentence {n}: the weather is {'very ' * n}nice today." for n in range(8)]

    def picture(n: int) -> Any:
        return photos[n % 8]

    def sound(n: int) -> Audio:
        return sounds[n % 8]

    def text(n: int) -> str:
        return sentences[n % 8]

    return {
        "minilm-l6-v2": lambda engine, n: engine.embed([text(n)]),
        "vader": lambda engine, n: engine.analyze(text(n)),
        "py3langid": lambda engine, n: engine.identify(text(n)),
        "minilm-emotion": lambda engine, n: engine.recognize(text(n)),
        "silero-vad": lambda engine, n: engine.detect(sound(n)),
        "whisper-base": lambda engine, n: engine.transcribe(sound(n), language="en"),
        "piper-en-us-joe": lambda engine, n: engine.speak(text(n)),
        "kokoro-82m": lambda engine, _: engine.speak("Good morning.", voice="bf_emma"),
        "resemblyzer": lambda engine, n: engine.embed(sound(n)),
        "nanodet-416": lambda engine, n: engine.detect(picture(n)),
        "efficientnet-lite0": lambda engine, n: engine.classify(picture(n)),
        "rapidocr": lambda engine, n: engine.read(picture(n)),
        "u2netp": lambda engine, n: engine.find_salient(picture(n)),
        "cutout": lambda engine, n: engine.segment(picture(n), boxes=[Box("", 1, 20, 20, 150, 180)]),
        "mediapipe-selfie": lambda engine, n: engine.segment_people(picture(n)),
        "realesr-animevideov3-x4": lambda engine, n: engine.upscale(picture(n).resize((64, 64)), factor=4),
        "opencv-sgbm": lambda engine, _: engine.match(picture(0), picture(0)),
    }


async def measure(app: App, model: str, call: Call, count: int) -> str:
    """A line of the report."""
    entry = app.catalog.get(model)
    capability = type("Measured", (Engine,), {"capability": entry.capability})
    process = psutil.Process()
    sizes: list[int] = []
    async with app.controller.use(capability, model) as lease:
        for n in range(count):
            await lease.run(lambda engine, _, n=n: call(engine, n))  # type: ignore[misc]  # bound in time
            gc.collect(0)
            sizes.append(process.memory_info().rss)
    await app.controller.unload(model)
    warm, half = count // 10, count // 2
    slope = np.polyfit(np.arange(half), np.array(sizes[-half:]) / 1000, 1)[0]
    return f"{model:26} {sizes[warm] / 1e6:8.0f} {(sizes[-1] - sizes[warm]) / 1e6:+8.1f} MB {slope:+9.1f} kB a call"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--only", nargs="+", metavar="ID")
    args = parser.parse_args()
    async with open_app() as app:
        print(f"{'model':26} {'warm MB':>8} {'growth':>11} {'slope':>16}")
        for model, call in calls().items():
            if args.only and model not in args.only:
                continue
            try:
                print(await measure(app, model, call, args.calls), flush=True)
            except SensoriumError as error:
                print(f"{model:26} not measured: {error}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
