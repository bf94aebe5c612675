"""A small parser that reads a request and decides, pointer by pointer, what is to be done. Runs in numpy.

`benchmarks/train_planner.py` trains it; `engines/data/planner/CARD.md` says on what, and how good it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import NEVER, CancelToken
from engines.protocols.parsing import Item, Next, Options, Parsed, Symbol, Word

if TYPE_CHECKING:
    from engines.text.pointer_network import Memory, Prefix

MOST_PIECES = 224
"""Word pieces of a request and what is listed beside it. Of a longer request the middle is not read."""
_TAIL = 64


@dataclass(frozen=True)
class Places:
    """``ids`` of the word pieces, and at which of them each word and item begins; None: there was no room."""

    ids: list[int]
    words: list[int | None]
    items: list[int | None]


def lay_out(tokenizer: Any, words: Sequence[str], items: Sequence[Sequence[str]]) -> Places:
    """``[CLS] word word ... [SEP] item ; item ... [SEP]`` as word pieces."""
    begin, end, semicolon = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", ";"))
    pieces = [_pieces(tokenizer, word) for word in words]
    listed = [[piece for part in item for piece in _pieces(tokenizer, part)] for item in items]
    room = MOST_PIECES - 3 - sum(len(some) + 1 for some in listed)
    shown = _shown([len(some) for some in pieces], max(room, 16))
    ids, word_places = [begin], list[int | None]()
    for some, is_shown in zip(pieces, shown, strict=True):
        word_places.append(len(ids) if is_shown else None)
        ids += some if is_shown else []
    ids.append(end)
    item_places = list[int | None]()
    for some in listed:
        fits = len(ids) + len(some) + 2 <= MOST_PIECES + 64
        item_places.append(len(ids) if fits else None)
        ids += [*some, semicolon] if fits else []
    return Places([*ids, end], word_places, item_places)


def _pieces(tokenizer: Any, word: str) -> list[int]:
    found: list[int] = tokenizer.encode(word, add_special_tokens=False).ids
    return found or [tokenizer.token_to_id("[UNK]")]


def _shown(lengths: Sequence[int], room: int) -> list[bool]:
    """All words, or the beginning and the end."""
    if sum(lengths) <= room:
        return [True] * len(lengths)
    shown, left = [False] * len(lengths), room
    for order, share in ((range(len(lengths) - 1, -1, -1), min(_TAIL, room // 3)), (range(len(lengths)), room)):
        budget = min(share, left)
        for index in order:
            if shown[index] or lengths[index] > budget:
                break
            shown[index] = True
            budget -= lengths[index]
            left -= lengths[index]
    return shown


class PointerParser:
    """`RequestParsing` by a network of 15 million weights that shares its word pieces with MiniLM."""

    capability: ClassVar[str] = "request-parsing"

    def __init__(self, context: LoadContext) -> None:
        import numpy as np
        from tokenizers import Tokenizer

        from engines.text.pointer_network import PointerNetwork, Weights, read_tensor

        minilm = context.folders["minilm-l6-v2"]
        try:
            names = json.loads((context.folder / "symbols.json").read_text("utf-8"))
            with np.load(context.folder / "parser.npz", allow_pickle=False) as stored:
                self._network = PointerNetwork(Weights(stored))
            self._tokenizer: Any = Tokenizer.from_file(str(minilm / "tokenizer.json"))
            pieces = self._tokenizer.get_vocab_size()
            table = "inner.embeddings.word_embeddings.weight"
            self._pieces = read_tensor(minilm / "model.onnx", f"{table}_q", np.int8, (pieces, 384))
            self._scales = read_tensor(minilm / "model.onnx", f"{table}_scale", np.float32, (pieces, 1))
        except Exception as error:  # the tokenizer's library raises bare Exceptions for a file it can't read
            raise EngineError(
                f"{context.entry.id}: the weights can't be loaded: {error}.",
                fix="Fetch them again: sensorium models pull minilm-l6-v2",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._symbols: dict[str, int] = {name: index for index, name in enumerate(names["symbols"])}
        self._kinds: dict[str, int] = {name: index for index, name in enumerate(names["slots"])}

    @property
    def slots(self) -> frozenset[str]:
        return frozenset((*self._symbols, *self._kinds))

    def parse(
        self,
        words: Sequence[str],
        items: Sequence[Sequence[str]],
        following: Next,
        *,
        beams: int = 4,
        cancel: CancelToken = NEVER,
    ) -> tuple[Parsed, ...]:
        """See `engines.protocols.RequestParsing`."""
        if not words:
            raise InputError("There are no words in the request.")
        laid = lay_out(self._tokenizer, words, items)
        pieces = self._pieces[laid.ids].astype("float32") * self._scales[laid.ids]
        memory = self._network.read(pieces)
        open_ones, done = [_Hypothesis()], list[_Hypothesis]()
        while open_ones:
            cancel.check()
            grown = list[_Hypothesis]()
            for one in open_ones:
                options = following(one.symbols)
                if options is None:
                    done.append(one)
                else:
                    grown += self._grown(one, options, memory, laid, beams)
            grown.sort(key=lambda one: -one.score)
            # What is behind the best complete sequences can only fall further.
            bar = sorted((one.score for one in done), reverse=True)[:beams]
            open_ones = [one for one in grown[:beams] if len(bar) < beams or one.score > bar[-1]]
        done.sort(key=lambda one: -one.score)
        return tuple(Parsed(one.symbols, one.score, one.least) for one in done[:beams])

    def close(self) -> None:
        """Frees the memory."""
        del self._network, self._pieces, self._scales, self._tokenizer

    def _grown(
        self, one: _Hypothesis, options: Options, memory: Memory, laid: Places, beams: int
    ) -> Iterator[_Hypothesis]:
        """The likeliest continuations. A sequence that has grown too long has none."""
        import numpy as np

        choices = list(self._numbered(options, laid))
        if not choices or len(one.symbols) >= self._network.longest:
            return
        logits, prefix = self._network.decide(memory, one.prefix, one.last, self._kinds[options.slot])
        of_choices = logits[[number for number, _ in choices]]
        of_choices = of_choices - of_choices.max()
        logs = of_choices - np.log(np.exp(of_choices).sum())
        for index in np.argsort(-logs)[:beams]:
            number, symbol = choices[int(index)]
            log = float(logs[index])
            yield _Hypothesis((*one.symbols, symbol), one.score + log, min(one.least, math.exp(log)), number, prefix)

    def _numbered(self, options: Options, laid: Places) -> Iterator[tuple[int, Symbol]]:
        """What may come next, by its number; what the network doesn't know or couldn't read is left out."""
        count = self._network.symbols
        for symbol in options.symbols:
            if isinstance(symbol, str):
                if symbol in self._symbols:
                    yield self._symbols[symbol], symbol
            elif isinstance(symbol, Item) and (place := laid.items[symbol.index]) is not None:
                yield count + place, symbol
        if options.words_from is not None:
            for index in range(options.words_from, len(laid.words)):
                if (place := laid.words[index]) is not None:
                    yield count + place, Word(index)


@dataclass(frozen=True)
class _Hypothesis:
    """A sequence under way. ``score`` is its log probability; ``least``: of the least certain decision, in 0..1."""

    symbols: tuple[Symbol, ...] = ()
    score: float = 0.0
    least: float = 1.0
    last: int | None = None
    prefix: Prefix | None = None
