"""Speech made faster or slower at the same pitch, for voices that can't do it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.protocols import Audio

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame


def at_speed(audio: Audio, speed: float) -> Audio:
    """The same sound, ``speed`` times as fast (0.5 to 2), by FFmpeg's ``atempo`` (WSOLA)."""
    import av
    import numpy as np

    if speed == 1.0 or not len(audio.samples):
        return audio
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=audio.rate, layout="mono")
    stretch = graph.add("atempo", f"{speed:g}")
    form = graph.add("aformat", "sample_fmts=flt:channel_layouts=mono")
    graph.link_nodes(source, stretch, form, graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.samples[None], np.float32), "flt", "mono")
    frame.sample_rate = audio.rate
    graph.push(frame)
    graph.push(None)
    found = []
    while (out := _pulled(graph)) is not None:
        found.append(out.to_ndarray()[0])
    return Audio(np.concatenate(found).astype(np.float32, copy=False) if found else audio.samples, audio.rate)


def _pulled(graph: object) -> AudioFrame | None:
    import av

    try:
        frame = graph.pull()  # type: ignore[attr-defined] # av.filter.Graph, which is not imported at the top
    except (av.BlockingIOError, av.EOFError):
        return None
    return frame if isinstance(frame, av.AudioFrame) else None
