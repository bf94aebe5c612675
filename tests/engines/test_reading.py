"""Reading the text in pictures: what it says, in which order, however the page lies."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from pages import LEFT, PRICES, RIGHT, TITLE, columns_page, lines_page, turned
from PIL import Image

from engines.catalog import Catalog
from engines.image.draw_text import draw_lines
from engines.image.reading_order import Rect, reading_order
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import PageText, TextLine


def letters(text: str) -> str:
    """Without spaces, of which the model drops one now and then."""
    return "".join(text.split())


class TestReadingOrder:
    def order(self, *rects: tuple[float, float, float, float]) -> list[tuple[int, ...]]:
        """Pieces of each row, row by row."""
        rows: dict[tuple[int, int], list[int]] = {}
        for place in reading_order([Rect(*rect) for rect in rects]):
            rows.setdefault((place.block, place.row), []).append(place.piece)
        return [tuple(row) for row in rows.values()]

    def test_nothing(self) -> None:
        assert reading_order([]) == []

    def test_rows_from_top_to_bottom_and_pieces_from_left_to_right(self) -> None:
        assert self.order((60, 22, 90, 40), (0, 50, 80, 70), (0, 20, 50, 40)) == [(2, 0), (1,)]

    def test_a_column_is_read_before_the_next(self) -> None:
        left = [(0, y, 200, y + 20) for y in (0, 30, 60)]
        right = [(250, y, 450, y + 20) for y in (0, 30, 60)]
        assert self.order(*right, *left) == [(3,), (4,), (5,), (0,), (1,), (2,)]

    def test_three_columns(self) -> None:
        columns = [[(x, y, x + 180, y + 20) for y in (0, 30, 60)] for x in (500, 0, 250)]
        order = [piece for row in self.order(*columns[0], *columns[1], *columns[2]) for piece in row]
        assert order == [3, 4, 5, 6, 7, 8, 0, 1, 2]

    def test_what_spans_the_columns_divides_them(self) -> None:
        title, foot = (0, 0, 450, 30), (0, 300, 450, 320)
        left = [(0, y, 200, y + 20) for y in (60, 90, 120)]
        right = [(250, y, 450, y + 20) for y in (60, 90, 120)]
        order = [piece for row in self.order(foot, *right, *left, title) for piece in row]
        assert order == [7, 4, 5, 6, 1, 2, 3, 0]

    def test_a_table_is_read_by_rows(self) -> None:
        names = [(0, y, 200, y + 20) for y in (0, 30, 60)]
        prices = [(300, y, 350, y + 20) for y in (0, 30, 60)]
        assert self.order(*names, *prices) == [(0, 3), (1, 4), (2, 5)]

    def test_a_gap_begins_a_block(self) -> None:
        places = reading_order([Rect(0, y, 200, y + 20) for y in (0, 25, 90, 115)])
        assert [place.block for place in places] == [0, 0, 1, 1]

    def test_every_piece_comes_once_wherever_pieces_are(self) -> None:
        chance = np.random.default_rng(0)
        for count in (1, 2, 7, 120):
            corners = chance.uniform(0, 1000, (count, 2))
            sizes = chance.uniform(1, 300, (count, 2))
            rects = [Rect(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]
            assert sorted(place.piece for place in reading_order(rects)) == list(range(count))


def test_the_text_of_a_page_keeps_rows_and_blocks() -> None:
    lines = [
        TextLine(text, 1.0, (), block, row)
        for text, block, row in (("a", 0, 0), ("b", 0, 0), ("c", 0, 1), ("d", 1, 0), ("e", 2, 0))
    ]
    assert PageText(tuple(lines)).text == "a  b\nc\n\nd\n\ne"
    assert PageText(()).text == ""


class TestRapidOcr:
    @pytest.fixture(scope="session")
    @staticmethod
    def reader() -> object:
        pytest.importorskip("rapidocr_onnxruntime", reason="the extra vision is not installed")
        from engines.image.rapid_ocr import RapidOcr

        return RapidOcr(LoadContext(Catalog.load().get("rapidocr"), Path()))

    @pytest.mark.parametrize("degrees", [0, 180, 90, -90, 5])
    def test_columns_and_a_table_however_the_page_lies(self, reader, degrees: float) -> None:
        page = reader.read(turned(columns_page(), degrees))
        expected = [TITLE, *LEFT, *RIGHT, *(piece for row in PRICES for piece in row)]
        assert letters(page.text) == letters("".join(expected))
        assert abs((page.rotation - degrees + 180) % 360 - 180) < 1
        assert letters("Coffee 3.50") in [letters(row) for row in page.text.splitlines()]

    def test_corners_lie_around_the_words_from_where_they_begin(self, reader) -> None:
        page = lines_page(["Upper line of words", "Lower line of words"])
        for degrees, begins in ((0, "upper left"), (180, "lower right")):
            first, second = reader.read(turned(page, degrees)).lines
            assert first.text == "Upper line of words"
            (x, y), (after, _), *_ = first.corners
            assert (x < after) == (begins == "upper left")
            assert (y < second.corners[0][1]) == (begins == "upper left")
            assert 0.8 < first.score <= 1

    @pytest.mark.parametrize("colour", ["white", "black"])
    def test_a_blank_page_says_nothing(self, reader, colour: str) -> None:
        assert reader.read(Image.new("RGB", (900, 700), colour)) == PageText(())

    @pytest.mark.parametrize("size", [(1, 1), (1200, 2), (2, 1200), (30, 30)])
    def test_odd_shapes(self, reader, size: tuple[int, int]) -> None:
        assert reader.read(Image.new("RGB", size, "white")).lines == ()

    def test_a_slim_strip(self, reader) -> None:
        strip = lines_page(["A single line in a narrow strip of paper"], size=24)
        width, height = strip.size
        assert reader.read(strip.crop((0, 30, width, height - 30))).text == "A single line in a narrow strip of paper"

    def test_small_print_on_a_large_page_is_read_at_its_full_size(self, reader) -> None:
        page = Image.new("RGB", (5000, 3600), "white")
        page.paste(lines_page(["Rain fell on the harbour until noon."], size=42), (1500, 1700))
        found = reader.read(page)
        assert found.text == "Rain fell on the harbour until noon."
        assert 1500 < found.lines[0].corners[0][0] < 1700

    def test_white_on_black(self, reader) -> None:
        from PIL import ImageOps

        page = ImageOps.invert(lines_page(["Platform 9 closes at 18:45"]))
        assert reader.read(page).text == "Platform 9 closes at 18:45"

    def test_other_modes_of_colours(self, reader) -> None:
        page = lines_page(["Grey and transparent"])
        for mode in ("L", "1", "RGBA", "CMYK"):
            assert reader.read(page.convert(mode)).text == "Grey and transparent"

    def test_a_cancel_is_noticed_between_batches(self, reader) -> None:
        cancel = CancelToken()

        def on_progress(fraction: float | None, message: str) -> None:
            if message.startswith("reading line"):
                cancel.set()

        with pytest.raises(Cancelled):
            reader.read(lines_page(["one line", "two lines"]), on_progress=on_progress, cancel=cancel)

    def test_the_library_is_quiet(self, reader, capfd: pytest.CaptureFixture[str]) -> None:
        reader.read(Image.new("RGB", (300, 200), "white"))
        assert capfd.readouterr() == ("", "")
        assert logging.getLogger("RapidOCR").level >= logging.WARNING


def test_lines_are_drawn_beside_the_words() -> None:
    page = lines_page(["Drawn over"])
    corners = ((40.0, 30.0), (200.0, 30.0), (200.0, 70.0), (40.0, 70.0))
    drawn = draw_lines(page, [TextLine("Drawn over", 0.9, corners)])
    changed = np.any(np.asarray(page) != np.asarray(drawn), axis=2)
    assert changed[30, 60:190].all()
    assert not changed[40:65, 60:190].any(), "the words stay as they are"
    assert draw_lines(Image.new("RGB", (1, 1)), [TextLine("x", 1, ((0, 0), (1, 0), (1, 1), (0, 1)))]).size == (1, 1)
