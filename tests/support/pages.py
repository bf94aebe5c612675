"""Pages of printed text, drawn for tests and measurements. The texts were written for them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LEFT = [
    "Every morning the keeper climbs",
    "the narrow stairs and trims the",
    "wick before the boats return.",
    "He writes down wind, rain and",
    "the names of passing ships.",
    "",
    "On Sundays nobody visits him,",
    "except the postman's old dog.",
]
RIGHT = [
    "The second column begins here",
    "and must be read after the first",
    "has ended. It speaks of storms",
    "that came from the north-west",
    "in the winter of 1887, and of",
    "the bell that rang for 3 days.",
    "Nothing else was heard until",
    "the fishermen came home.",
]
TITLE = "The Lighthouse Keeper's Almanac"
PRICES = [("Coffee", "3.50"), ("Sandwich with cheese", "7.20"), ("Total", "10.70")]


def font(name: str, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of matplotlib's, such as ``DejaVuSerif``; Pillow's own where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return ImageFont.load_default(size)
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")), size)


def lines_page(lines: list[str], *, name: str = "DejaVuSerif", size: int = 28, ink: str = "black") -> Image.Image:
    """Lines below one another on white."""
    letters = font(name, size)
    width = round(max(letters.getlength(line) for line in lines))
    page = Image.new("RGB", (width + 4 * size, round(1.7 * size * len(lines)) + 3 * size), "white")
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((2 * size, 1.5 * size + number * 1.7 * size), line, font=letters, fill=ink)
    return page


def columns_page() -> Image.Image:
    """A title over two columns, and a small table below."""
    page = Image.new("RGB", (1240, 860), "white")
    pen = ImageDraw.Draw(page)
    letters = font("DejaVuSerif", 28)
    pen.text((60, 40), TITLE, font=font("DejaVuSerif", 44), fill="black")
    for x, column in ((60, LEFT), (680, RIGHT)):
        for number, line in enumerate(column):
            pen.text((x, 140 + 48 * number), line, font=letters, fill="black")
    for number, row in enumerate(PRICES):
        for x, words in zip((60, 680), row, strict=True):
            pen.text((x, 620 + 60 * number), words, font=letters, fill="black")
    return page


def turned(page: Image.Image, degrees: float) -> Image.Image:
    """Clockwise, on a larger white page."""
    return page.rotate(-degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
