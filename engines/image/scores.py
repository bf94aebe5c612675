"""What callers may ask of scores."""

from __future__ import annotations

from engines.errors import InputError


def check_threshold(threshold: float) -> None:
    """Raises InputError when it is not in 0..1; NaN is not."""
    if not 0 <= threshold <= 1:
        raise InputError(f"The threshold must be between 0 and 1, not {threshold:g}.", fix="Try 0.4.")
