"""docs/models.md says what the catalog says."""

from __future__ import annotations

from pathlib import Path

from engines.catalog import BUILT_IN, Catalog
from engines.catalog_page import page

PAGE = Path(__file__).parents[2] / "docs/models.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(Catalog.load_files(*BUILT_IN)), (
        "Write it again: python -m engines.catalog_page > docs/models.md"
    )


def test_every_model_is_on_it_with_its_licence() -> None:
    text = PAGE.read_text("utf-8")
    for entry in Catalog.load_files(*BUILT_IN):
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{entry.id}` "))
        assert entry.licence.split("|")[0].strip() in line
