"""A text that is still being written is cut into clauses, and nothing of it is lost."""

from __future__ import annotations

import random

import pytest

from graphs.clauses import Clauses

TEXT = """\
Dear Dr. Smith, this is it. And "that" is all! Is it?

1. First, open it.
2. Then close it.

```python
print("Hello. World.")
```
Done — 完了。ありがとう。"""


def cut(text: str, sizes: list[int], longest: int = 240) -> list[str]:
    clauses, found, position = Clauses(longest), [], 0
    for size in sizes:
        found += clauses.feed(text[position : position + size])
        position += size
    found += clauses.feed(text[position:])
    return [*found, clauses.rest()]


@pytest.mark.parametrize("seed", range(20))
def test_joined_they_are_the_text_however_it_came(seed: int) -> None:
    sizes = [random.Random(seed).randint(1, 9) for _ in range(60)]
    assert "".join(cut(TEXT, sizes)) == TEXT
    assert cut(TEXT, sizes)[0] == "Dear Dr. Smith, this is it. "


def test_a_block_of_code_is_one_piece() -> None:
    assert '```python\nprint("Hello. World.")\n```\n' in cut(TEXT, [1] * len(TEXT))


def test_a_sentence_is_given_out_once_the_next_has_begun() -> None:
    clauses = Clauses()
    assert list(clauses.feed("It is. ")) == []
    assert list(clauses.feed("An")) == ["It is. "]
    assert clauses.rest() == "An"


def test_a_sentence_without_end_is_cut() -> None:
    pieces = cut("word, " * 200, [7] * 100, longest=60)
    assert all(len(piece) <= 60 for piece in pieces)
    assert "".join(pieces) == "word, " * 200


def test_a_block_that_never_ends_is_given_out_at_the_end() -> None:
    assert cut("```\nabc. def. ", [3] * 4) == ["```\nabc. def. "]
