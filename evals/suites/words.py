"""How texts are compared: error rates after the usual normalisation, and classification scores."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NOT_WORDS = re.compile(r"[^\w\s']|_")


def plain(text: str) -> str:
    """Lower case, without punctuation, single spaces: how transcripts are compared."""
    return " ".join(_NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).lower()).split())


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Word and character error rate in percent, over all texts together (jiwer)."""
    import jiwer

    said, heard = [plain(text) for text in references], [plain(text) for text in hypotheses]
    return {
        "WER %": round(100 * jiwer.wer(said, heard), 2),
        "CER %": round(100 * jiwer.cer(said, heard), 2),
    }


def class_scores(truth: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    """Accuracy in percent and macro-F1 over the labels of the truth (scikit-learn)."""
    from sklearn.metrics import accuracy_score, f1_score

    labels = sorted(set(truth))
    return {
        "accuracy %": round(100 * float(accuracy_score(truth, found)), 1),
        "macro-F1": round(float(f1_score(truth, found, labels=labels, average="macro", zero_division=0)), 3),
    }
