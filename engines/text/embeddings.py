"""Sentence embeddings by all-MiniLM-L6-v2 in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from engines.batching import MicroBatcher
from engines.errors import EngineError
from engines.loading import LoadContext, missing_extra
from engines.onnx import cpu_session
from engines.progress import NEVER, CancelToken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The model was trained on texts of up to this many tokens; what is longer is cut.
MAX_TOKENS = 256

BATCH = 32


class MiniLM:
    """`TextEmbedding` of 384 dimensions: the mean over a text's tokens, of length 1. An empty text has one too."""

    capability: ClassVar[str] = "text-embedding"

    def __init__(self, context: LoadContext) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise missing_extra(context.entry, error) from error
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(context.folder / "tokenizer.json"))
            self._session: Any = cpu_session(context.folder / "model.onnx", context.threads)
        except Exception as error:  # both libraries raise bare Exceptions for a file they can't read
            raise EngineError(
                f"{context.entry.id}: the weights can't be loaded: {error}.",
                fix=f"Fetch them again: sensorium models pull {context.entry.id}",
            ) from error
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")  # noqa: S106 # a token of text, not a secret
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._dimensions: int = self._session.get_outputs()[0].shape[-1]
        self._batched: MicroBatcher[str, NDArray[np.float32]] = MicroBatcher(
            lambda some: list(self._embed(some)), max_items=BATCH
        )

    def embed(self, texts: Sequence[str], *, cancel: CancelToken = NEVER) -> NDArray[np.float32]:
        """Shape (len(texts), 384), each row of length 1."""
        import numpy as np

        rows = np.empty((len(texts), self._dimensions), np.float32)
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH):
            cancel.check()
            batch = order[start : start + BATCH]
            rows[batch] = self._batched([texts[index] for index in batch], cancel)
        return rows

    def close(self) -> None:
        """Frees the session's memory."""
        del self._session, self._tokenizer

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([text.attention_mask for text in encoded], np.int64)
        feeds = {
            "input_ids": np.array([text.ids for text in encoded], np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        tokens = self._session.run(None, {name: feeds[name] for name in self._inputs})[0]
        weight = mask[:, :, None].astype(np.float32)
        mean = (tokens * weight).sum(axis=1) / weight.sum(axis=1)
        rows: NDArray[np.float32] = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
        return rows
