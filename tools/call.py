"""What a tool may touch while it runs: artifacts in and out, engines, progress."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from engines.audio.read import read_audio
from engines.controller import Lease, ModelController
from engines.image.read import read_image
from engines.media import Limits
from engines.progress import CancelToken
from engines.protocols import Audio, Engine
from engines.video.read import Video
from memory.artifact_types import ArtifactRef, Lineage
from memory.artifacts import ArtifactStore
from memory.events import EventBody, ModelLoading, Receipt, ToolArtifact, ToolProgress
from memory.longterm.memories import Memories
from memory.previews import Previews

E = TypeVar("E", bound=Engine)
T = TypeVar("T")

_PREVIEW_SECONDS = 0.3
"""Between two previews: an accelerator makes 20 steps a second, which nobody can see."""


@dataclass(frozen=True)
class Workshop:
    """What all calls share."""

    controller: ModelController
    artifacts: ArtifactStore
    limits: Limits
    previews: Previews
    home: Path
    """The user's own folder, for what tools learn from them."""
    memories: Memories


@dataclass(frozen=True)
class Again:
    """A replay: ``artifact`` is what is to be made once more, where that is one; ``models`` are those that made it, by
    capability, and take the place of what the tool would choose today.
    """

    artifact: str | None
    models: Mapping[str, tuple[str, ...]]

    def model(self, capability: str, chosen: str | None) -> str | None:
        """The model to use where the tool has chosen one, or none."""
        then = self.models.get(capability, ())
        return chosen if not then or chosen in then else then[0]


@dataclass
class ToolCall:
    """One call of one tool. Tools get it as their first argument."""

    workshop: Workshop
    tool: str
    args: Mapping[str, Any]
    call_id: str
    emit: Callable[[EventBody], None]
    receipts: list[Receipt] = field(default_factory=list)
    made: list[ArtifactRef] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    seed: int | None = None
    """Set by tools that draw lots, before they use an engine: it makes the call repeatable."""

    again: Again | None = None
    """What the call is to make again, if it is a replay."""

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._reported: tuple[float | None, str] = (None, "")
        self._previews = 0
        self._previewed_at = 0.0
        self._preview_lock = threading.Lock()
        self._over = False

    def progress(self, fraction: float | None, message: str) -> None:
        """Report how far the work is. May be called from any thread: it is the engines' `OnProgress`."""
        self._reported = (fraction, message)
        self._report()

    def wrote(self, piece: str) -> None:
        """Show a further piece of the text that the tool is writing. May be called from any thread."""
        self._report(piece)

    def _report(self, text: str = "") -> None:
        fraction, message = self._reported
        body = ToolProgress(call_id=self.call_id, fraction=fraction, message=message, preview=self._previews, text=text)
        self._loop.call_soon_threadsafe(self.emit, body)

    def preview(self, image: Image) -> None:
        """Show how far a picture is, until the call ends: the next `progress` says that it is there. May be called from
        any thread; what comes too soon after the last is passed over.
        """
        now = time.monotonic()
        with self._preview_lock:
            if not self._over and now - self._previewed_at >= _PREVIEW_SECONDS:
                self._previewed_at = now
                with suppress(OSError):  # a full disk costs a look at the picture, not the picture
                    self.workshop.previews.put(self.call_id, image)
                    self._previews += 1

    def close(self) -> None:
        """The call is over, though a thread of it may still be on its way out: nothing is shown from now on."""
        with self._preview_lock:
            self._over = True
            if self._previews:
                self.workshop.previews.drop(self.call_id)

    @asynccontextmanager
    async def use(self, capability: type[E], model: str | None = None) -> AsyncIterator[Lease[E]]:
        """Lend an engine; loading is reported, and a receipt is written when the engine is given back."""
        if self.again:
            model = self.again.model(capability.capability, model)
        async with self.workshop.controller.use(
            capability, model, on_loading=lambda progress: self.emit(ModelLoading.of(progress))
        ) as lease:
            started = time.monotonic()
            yield lease
            entry = lease.entry
            self.receipts.append(
                Receipt(
                    tool=self.tool,
                    model=entry.id,
                    title=entry.title,
                    licence=entry.licence,
                    sha256=entry.sha256,
                    revision=self.workshop.controller.shelf.revision(entry),
                    device=self.workshop.controller.device_of(entry),
                    seed=self.seed,
                    quality=f"{entry.quality.figure} ({entry.quality.where})" if entry.quality else "",
                    note=entry.note,
                    seconds=round(time.monotonic() - started, 3),
                )
            )

    async def path(self, artifact_id: str) -> Path:
        """The file of an artifact, which becomes a parent of what this call makes. Raises NotFoundError."""
        path = await self.workshop.artifacts.path(artifact_id)
        if artifact_id not in self.parents:
            self.parents.append(artifact_id)
        return path

    async def name(self, artifact_id: str) -> str:
        """What the user calls the artifact, for messages."""
        return (await self.workshop.artifacts.get(artifact_id)).name

    async def image(self, artifact_id: str) -> Image:
        """The picture, upright and RGB. Raises NotFoundError or MediaError."""
        path, name = await self.path(artifact_id), await self.name(artifact_id)
        return await asyncio.to_thread(read_image, path, limits=self.workshop.limits, name=name)

    async def audio(self, artifact_id: str) -> Audio:
        """The sound of a recording or a video, mono at 16 kHz. Raises NotFoundError or MediaError."""
        path, name = await self.path(artifact_id), await self.name(artifact_id)
        cancel = CancelToken()
        try:
            return await asyncio.to_thread(read_audio, path, limits=self.workshop.limits, cancel=cancel, name=name)
        finally:
            cancel.set()  # when the call is cancelled, its thread stops reading

    async def video(self, artifact_id: str) -> Video:
        """The video, to be read in a thread. Raises NotFoundError or MediaError."""
        path, name = await self.path(artifact_id), await self.name(artifact_id)
        return await asyncio.to_thread(Video, path, limits=self.workshop.limits, name=name)

    async def work(self, work: Callable[[CancelToken], T]) -> T:
        """Blocking work of the tool's own, in a thread; when the call is cancelled, the token is set."""
        cancel = CancelToken()
        try:
            return await asyncio.to_thread(work, cancel)
        finally:
            cancel.set()

    async def save_image(self, image: Image, name: str, *, pnginfo: PngInfo | None = None) -> str:
        """Keep a picture as an artifact (PNG) made by this call, and return its id. ``pnginfo`` goes into the file."""
        buffer = io.BytesIO()
        await asyncio.to_thread(image.save, buffer, "PNG", pnginfo=pnginfo)
        return await self.save_bytes(buffer.getvalue(), name)

    async def save_svg(self, svg: str, name: str) -> str:
        """Keep a drawing as an artifact made by this call, and return its id. It is kept as text: whoever fetches it
        gets a file to save, never a page that runs.
        """
        artifact = await self.workshop.artifacts.add_bytes(
            svg.encode(), name=name, kind="text", mime="image/svg+xml", lineage=self._lineage()
        )
        return await self._keep(artifact)

    async def save_bytes(self, data: bytes, name: str) -> str:
        """Keep bytes of any kind that an upload may have as an artifact made by this call, and return its id."""
        return await self._keep(await self.workshop.artifacts.add_bytes(data, name=name, lineage=self._lineage()))

    async def save_file(self, path: Path, name: str) -> str:
        """Keep a copy of a file, as `save_bytes` does."""
        return await self._keep(await self.workshop.artifacts.add_file(path, name=name, lineage=self._lineage()))

    async def _keep(self, artifact: ArtifactRef) -> str:
        self.made.append(artifact)
        self.emit(ToolArtifact(call_id=self.call_id, artifact=artifact))
        return artifact.id

    def _lineage(self) -> Lineage:
        return Lineage(
            tool=self.tool,
            args=dict(self.args),
            models=tuple(
                {"id": receipt.model, "sha256": receipt.sha256, "revision": receipt.revision}
                for receipt in self.receipts
            ),
            seed=self.seed,
            parents=tuple(self.parents),
            call=self.call_id,
            seconds=round(time.monotonic() - self._started, 3),
            replay_of=self.again.artifact if self.again else None,
        )
