"""What every engine has, whatever it can do."""

from __future__ import annotations

from typing import ClassVar, Protocol


class Engine(Protocol):
    """What every engine has, whatever it can do."""

    capability: ClassVar[str]

    def close(self) -> None:
        """Free the memory. Called once, when nobody uses the engine."""
