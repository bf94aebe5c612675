"""The embedded classifier, captions and answers put together from parts, and models on an Ollama server."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engines.catalog import Catalog
from engines.errors import EngineError, InputError, UnavailableError
from engines.image.efficientnet import EfficientNetClasses, EfficientNetFeatures
from engines.image.from_parts import AnswerFromParts, CaptionFromParts
from engines.image.ollama_vision import OllamaVision
from engines.image.read import read_image
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Box, ChatReply, ChatRequest, Described, ImageClass, PageText, TextLine

MEDIA = Path(__file__).parents[1] / "media"
WEIGHTS = Path(__file__).parents[2] / "engines" / "data" / "efficientnet_lite0"


def context(model: str, folder: Path = WEIGHTS, **more: Any) -> LoadContext:
    return LoadContext(Catalog.load().get(model), folder, **more)


@pytest.fixture(scope="module")
def classes() -> EfficientNetClasses:
    return EfficientNetClasses(context("efficientnet-lite0"))


@pytest.fixture(scope="module")
def features() -> EfficientNetFeatures:
    return EfficientNetFeatures(context("efficientnet-lite0-features"))


class TestClasses:
    def test_a_cat_is_a_cat(self, classes: EfficientNetClasses) -> None:
        best = classes.classify(read_image(MEDIA / "chelsea.jpg"), top=3)
        assert {each.label for each in best} == {"Egyptian cat", "tiger cat", "tabby"}
        assert sum(each.score for each in best) > 0.8

    def test_its_names(self, classes: EfficientNetClasses) -> None:
        assert len(set(classes.labels)) == 1000
        assert (classes.labels[0], classes.labels[281], classes.labels[967]) == ("tench", "tabby", "espresso")

    @pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (8000, 6250)])
    def test_odd_shapes(self, classes: EfficientNetClasses, size: tuple[int, int]) -> None:
        assert len(classes.classify(Image.new("RGB", size), top=2)) == 2

    def test_together_as_alone(self, classes: EfficientNetClasses) -> None:
        pictures = [read_image(MEDIA / name) for name in ("chelsea.jpg", "astronaut.jpg")] * 4
        alone = [classes.classify(picture, top=1)[0] for picture in pictures]
        with ThreadPoolExecutor(8) as threads:
            together = [best[0] for best in threads.map(lambda one: classes.classify(one, top=1), pictures)]
        assert [each.label for each in together] == [each.label for each in alone]
        assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-4)

    def test_a_cancel(self, classes: EfficientNetClasses) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            classes.classify(Image.new("RGB", (8, 8)), cancel=cancel)

    def test_a_folder_without_the_names(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes((WEIGHTS / "efficientnet_lite0.onnx").read_bytes())
        with pytest.raises(EngineError, match="must name 1000 classes; it names 0"):
            EfficientNetClasses(context("efficientnet-lite0", tmp_path))


class TestFeatures:
    def test_alike_pictures_are_near(self, features: EfficientNetFeatures) -> None:
        cat, person = (read_image(MEDIA / name) for name in ("chelsea.jpg", "astronaut.jpg"))
        darker = cat.point(lambda value: value * 0.7)
        rows = features.embed([cat, darker, person])
        assert rows.shape == (3, features.dimensions)
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
        assert rows[0] @ rows[1] > 0.8
        assert rows[0] @ rows[2] < 0.6

    def test_none_and_many(self, features: EfficientNetFeatures) -> None:
        assert features.embed([]).shape == (0, 1280)
        assert features.embed([Image.new("RGB", (9, 9))] * 19).shape == (19, 1280)


class Parts:
    """Engines that find what they are told, and a chat model that says what it is told."""

    def __init__(self, boxes: list[Box], kind: ImageClass, lines: list[TextLine], says: str = "") -> None:
        self.boxes, self.kind, self.lines, self.says = boxes, kind, lines, says
        self.asked: list[ChatRequest] = []

    def detect(self, image: Image.Image, **_: Any) -> tuple[Box, ...]:
        return tuple(self.boxes)

    def classify(self, image: Image.Image, **_: Any) -> tuple[ImageClass, ...]:
        return (self.kind,)

    def read(self, image: Image.Image, **_: Any) -> PageText:
        return PageText(tuple(self.lines))

    def complete(self, request: ChatRequest, **_: Any) -> ChatReply:
        self.asked.append(request)
        return ChatReply(self.says, "stop", 1, 1)

    def all(self) -> dict[str, Any]:
        names = ("object-detection", "image-classification", "text-recognition", "chat")
        return dict.fromkeys(names, self)


STREET = Parts(
    [Box("person", 0.9, 0, 0, 20, 40), Box("bus", 0.8, 30, 0, 95, 60), Box("person", 0.7, 80, 0, 99, 40)],
    ImageClass("minibus", 0.71),
    [TextLine("Line 12", 0.95, (), 0, 0), TextLine("smudge", 0.55, (), 0, 1), TextLine("Harbour", 0.9, (), 0, 2)],
)
PICTURE = Image.new("RGB", (100, 60))


def describe(parts: Parts, question: str = "") -> Described:
    if question:
        return AnswerFromParts(context("answer-from-parts", parts=parts.all())).answer(PICTURE, question)
    return CaptionFromParts(context("caption-from-parts", parts=parts.all())).caption(PICTURE)


class TestFromParts:
    def test_a_caption_says_what_was_found_the_largest_first(self) -> None:
        assert describe(STREET).text == (
            "The picture shows one bus (middle) and two people (left, right). As a whole it looks most like: minibus "
            "(71%). It says: “Line 12 / Harbour”."
        )

    def test_what_is_not_sure_is_not_said(self) -> None:
        described = describe(Parts([], ImageClass("nematode", 0.05), []))
        assert not described.known
        assert "can't make out" in described.text
        assert "nematode" not in str(described)

    def test_the_chat_model_is_told_the_findings_and_bound_to_the_form(self) -> None:
        parts = Parts(STREET.boxes, STREET.kind, STREET.lines, '{"known": true, "answer": "Two."}')
        assert describe(parts, "How many people are there?") == Described("Two.", True, describe(STREET).facts)
        (request,) = parts.asked
        assert request.messages[-1].content == (
            "Facts:\n- Found: one bus (middle)\n- Found: two people (left, right)\n- The whole picture looks like: "
            'minibus (71%)\n- Text in the picture: "Line 12 / Harbour"\nQuestion: How many people are there?'
        )
        assert request.json_schema

    @pytest.mark.parametrize("says", ['{"known": false, "answer": ""}', '{"known": true, "answer": " "}'])
    def test_what_it_can_t_know_it_says_with_what_was_found(self, says: str) -> None:
        described = describe(Parts(STREET.boxes, STREET.kind, [], says), "Why?")
        assert not described.known
        assert described.text.startswith("I can't tell from what I could find in the picture. Found: one bus")

    def test_an_answer_that_is_cut_off(self) -> None:
        with pytest.raises(EngineError, match="can't be read"):
            describe(Parts([], STREET.kind, [], '{"known": tr'), "Why?")

    def test_an_empty_question(self) -> None:
        with pytest.raises(InputError, match="empty"):
            describe(STREET, "  ")

    def test_long_texts_are_shortened(self) -> None:
        page = [TextLine("word " * 20, 0.9, (), 0, row) for row in range(100)]
        parts = Parts([], STREET.kind, page, '{"known": false, "answer": ""}')
        assert len(describe(parts).text) < 400
        describe(parts, "What?")
        assert len(parts.asked[0].messages[-1].content) < 2000


@contextmanager
def ollama_stand_in(reply: Callable[[dict[str, Any]], tuple[int, list[dict[str, Any]]]]) -> Iterator[str]:
    """A stand-in that speaks Ollama's /api/chat. It is not Ollama. ``reply`` gives the status and the lines."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, rows = reply(asked | {"path": self.path})
            self.send_response(status)
            self.send_header("content-type", "application/x-ndjson")
            self.end_headers()
            for row in rows:
                self.wfile.write(json.dumps(row).encode() + b"\n")

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def piece(text: str, *, done: bool = False) -> dict[str, Any]:
    return {
        "model": "qwen2.5vl",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": done,
    }


class TestOllama:
    def ask(self, address: str, question: str = "what?", **more: Any) -> Described:
        return OllamaVision(context("ollama-vision", setting=address)).answer(PICTURE, question, **more)

    def test_the_picture_goes_with_the_question_and_the_answer_comes_in_pieces(self) -> None:
        seen: list[dict[str, Any]] = []

        def reply(asked: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
            seen.append(asked)
            return 200, [piece("A harbour "), piece("at night."), piece("", done=True)]

        with ollama_stand_in(reply) as address:
            engine = OllamaVision(context("ollama-vision", setting=address))
            answer = engine.answer(Image.new("RGB", (4000, 1000)), "Where is it?")
        assert answer.text == "A harbour at night."
        (asked,) = seen
        assert (asked["path"], asked["model"]) == ("/api/chat", "qwen2.5vl")
        (message,) = asked["messages"]
        assert message["content"] == "Where is it?"
        sent = Image.open(io.BytesIO(base64.b64decode(message["images"][0])))
        assert (sent.format, sent.size) == ("JPEG", (1536, 384))

    def test_a_model_that_is_not_there(self) -> None:
        with (
            ollama_stand_in(lambda _: (404, [{"error": "model 'qwen2.5vl' not found"}])) as address,
            pytest.raises(UnavailableError, match=r"no model 'qwen2\.5vl'.*ollama pull qwen2\.5vl"),
        ):
            self.ask(address)

    def test_a_server_that_fails(self) -> None:
        with (
            ollama_stand_in(lambda _: (500, [{"error": "out of memory"}])) as address,
            pytest.raises(EngineError, match="out of memory"),
        ):
            self.ask(address)

    def test_no_server(self) -> None:
        with pytest.raises(UnavailableError, match="No Ollama server answers"):
            self.ask("http://127.0.0.1:9")

    def test_an_empty_answer(self) -> None:
        with (
            ollama_stand_in(lambda _: (200, [piece("", done=True)])) as address,
            pytest.raises(EngineError, match="wrote nothing"),
        ):
            self.ask(address)

    def test_it_stops_at_the_next_piece_after_a_cancel(self) -> None:
        cancel = CancelToken()

        def on_progress(fraction: float | None, message: str) -> None:
            if "pieces" in message:
                cancel.set()

        with (
            ollama_stand_in(lambda _: (200, [piece("a "), piece("b "), piece("", done=True)])) as address,
            pytest.raises(Cancelled),
        ):
            self.ask(address, on_progress=on_progress, cancel=cancel)

    def test_it_is_never_taken_unasked(self) -> None:
        assert all(entry.remote for entry in Catalog.load() if entry.id.startswith("ollama-vision"))
