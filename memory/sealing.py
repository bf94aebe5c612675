"""Checkpoints encrypted at rest, by LangGraph's own serializer over AES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from engines.errors import InputError, MissingExtraError, MissingSettingError, SensoriumError

_KEY_BYTES = 32
_SETTING = "SENSORIUM_CHECKPOINT_KEY"
_NEW_KEY = f"Make one with: openssl rand -hex {_KEY_BYTES}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text or number that must be stored like everything else: LangGraph's PostgreSQL saver writes them in clear."""

    value: Any


class SealingSerializer(EncryptedSerializer):
    """Encrypts what it stores. What was stored before there was a key is still read."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return super().dumps_typed(obj.value if isinstance(obj, Sealed) else obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Raises SensoriumError for what another key was used for."""
        try:
            return super().loads_typed(data)
        except ValueError as error:  # pycryptodome's check of the code that tells a changed text
            raise SensoriumError(
                "A checkpoint can't be decrypted: it was encrypted with another key, or was damaged.",
                fix=f"Set {_SETTING} to the key it was written with.",
            ) from error


def with_key(serde: SerializerProtocol, key: str | None) -> SerializerProtocol:
    """``serde`` itself without a key. ``key`` is 32 bytes as 64 hexadecimal digits.

    Raises InputError for anything else, MissingExtraError without the library.
    """
    if not key:
        return serde
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise InputError(f"{_SETTING} is not {_KEY_BYTES * 2} hexadecimal digits.", fix=_NEW_KEY)
    try:
        sealing = SealingSerializer.from_pycryptodome_aes(serde, key=raw)
    except ImportError as error:
        raise MissingExtraError(
            "Encrypted checkpoints need a library that is not installed.",
            fix="Run: pip install 'sensorium[encryption]'",
        ) from error
    return sealing


def check_key(serde: SerializerProtocol, stored: tuple[str, bytes] | None) -> None:
    """Whether what is ``stored`` can be read: better now than in the middle of a turn.

    Raises MissingSettingError when it is encrypted and there is no key, SensoriumError when there is another.
    """
    if stored is None:
        return
    if "+" in stored[0] and not isinstance(serde, EncryptedSerializer):
        raise MissingSettingError(
            "The checkpoints are encrypted, and there is no key to read them with.",
            fix=f"Set {_SETTING} to the key they were written with.",
        )
    serde.loads_typed(stored)
