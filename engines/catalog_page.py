"""Writes docs/models.md from the catalog: ``python -m engines.catalog_page > docs/models.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.filesize import decimal

from engines.catalog import BUILT_IN, Catalog, ModelEntry

HEAD = """\
# Models

Every model that Sensorium knows, by what it can do. This page is written from the catalog:
`python -m engines.catalog_page > docs/models.md`. `sensorium models list` says which of them are ready on your machine
and what the others need; `sensorium models show ID` tells all that is known of one.

- **\\*** is used when no model is named; **stand-in** yields to any other model of its kind that is ready.
- **Embedded** models are fetched by `make run`. Others: `sensorium models pull ID`, after the extra is installed.
- RAM of embedded models was measured; of the others it is an estimate. The model controller measures every model that
  it loads and goes by that.
- Models marked *server* work elsewhere: what they are given is sent there, and only after you have set them up.
"""

COLUMNS = ("Model", "Size", "RAM", "Licence", "Needs", "How good, and where that was measured")


def page(catalog: Catalog) -> str:
    """The whole page."""
    return "\n".join((HEAD, *(line for capability in catalog.capabilities for line in _section(catalog, capability))))


def _section(catalog: Catalog, capability: str) -> Iterator[str]:
    yield f"## {capability.replace('-', ' ').capitalize()}"
    yield ""
    yield _row(COLUMNS)
    yield _row("---" for _ in COLUMNS)
    for entry in catalog.of(capability):
        yield _row(_cells(entry))
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _cells(entry: ModelEntry) -> Iterator[str]:
    about = {"embedded": entry.embedded, "stand-in": entry.fallback, "*server*": entry.remote}
    marks = ", ".join(mark for mark, given in about.items() if given)
    name = f"`{entry.id}`" + (r" **\*** " if entry.default else " ") + entry.title
    yield f"{name} ({marks})" if marks else name
    yield decimal(entry.bytes) if entry.bytes else "-"
    yield f"{entry.memory_mb} MB" if entry.memory_mb else "-"
    yield f"{entry.licence}. {entry.licence_note}".rstrip(". ")
    yield _needs(entry)
    quality = f"{entry.quality.figure} ({entry.quality.where})" if entry.quality else "not measured here"
    yield f"{quality}. {entry.note}".strip() if entry.note else quality


def _needs(entry: ModelEntry) -> str:
    needs = [f"`sensorium[{entry.extra}]`"] if entry.extra else []
    needs += [f"`{package}`" for package in entry.packages]
    needs += [f"`SENSORIUM_{entry.setting.upper()}`"] if entry.setting else []
    if entry.weights_of:
        needs.append("weights of " + ", ".join(f"`{other}`" for other in entry.weights_of))
    elif entry.has_weights and not entry.embedded:
        needs.append("weights")
    return ", ".join(needs) or "nothing"


if __name__ == "__main__":
    print(page(Catalog.load_files(*BUILT_IN)), end="")
