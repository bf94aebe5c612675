"""Settings: one file, `sensorium.toml`, and the environment on top of it (prefix ``SENSORIUM_``).

Data lives in the platform's user folders; with ``SENSORIUM_HOME`` set, everything lives in that one folder.
`docs/settings.md` and ``sensorium.toml.example`` are written from the descriptions below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from platformdirs import PlatformDirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from engines.catalog import Planning
from engines.errors import InputError
from graphs.policy import Policy

_DIRS = PlatformDirs("sensorium", appauthor=False)


def _home(kind_of_folder: str) -> Path:
    home = os.environ.get("SENSORIUM_HOME")
    return Path(home).expanduser().absolute() if home else Path(kind_of_folder)


def config_folder() -> Path:
    """Where `sensorium.toml` and the user's own catalog entries (``catalog.toml``) are looked for."""
    return _home(_DIRS.user_config_dir)


def _physical_cores() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


class Settings(BaseSettings):
    """Everything a user can set. Paths are absolute; sizes in MB are 1,000,000 bytes."""

    model_config = SettingsConfigDict(env_prefix="SENSORIUM_", extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=lambda: _home(_DIRS.user_data_dir), description="Folder of the database and the artifacts."
    )
    models_dir: Path = Field(
        default_factory=lambda: _home(_DIRS.user_data_dir) / "models", description="Folder of the model files."
    )
    cache_dir: Path = Field(
        default_factory=lambda: _home(_DIRS.user_cache_dir) / "cache",
        description="Folder of what can be made again, such as the planner's prompt as the model has read it.",
    )
    database_url: str = Field(
        default_factory=lambda set_before: f"sqlite:///{set_before['home'] / 'sensorium.db'}",
        description="Conversations and checkpoints: sqlite:///folder/file.db, or postgresql://user:password@host/name.",
    )
    checkpoint_key: SecretStr | None = Field(
        default=None, description="Encrypts checkpoints: 64 hexadecimal digits (openssl rand -hex 32). Don't lose it."
    )
    keep_checkpoints: Literal["turns", "all"] = Field(
        default="turns", description="turns: of an ended turn only what going back to it needs; all: each of its steps."
    )
    model: str | None = Field(
        default=None,
        description="Chat model of every turn for which none is named; empty: chosen for each turn (docs/switcher.md).",
    )
    heed_mood: bool = Field(
        default=False, description="Lets the answer's tone heed the user's mood, as far as the message shows it."
    )
    switch_to_far_servers: bool = Field(
        default=False,
        description="Lets a turn be answered by a chat server on another machine though nobody named it.",
    )
    tools: tuple[str, ...] = Field(
        default=(), description="Tools on offer, by name (`sensorium tools list`); empty: all that are installed."
    )
    planner: Literal["auto", "parser", "chat"] = Field(
        default="auto",
        description="Who plans: auto (the parser where it is sure, else the chat model), parser or chat alone.",
    )
    planner_sure: float = Field(
        default=0.8, ge=0, le=1, description="auto: from this certainty on the parser's plan is taken unasked, 0..1."
    )
    planning: dict[str, Planning] = Field(
        default={},
        description='How chat models are asked for plans, as in { "ollama/qwen3" = "tools" }: schema (constrained '
        "decoding, the default), tools (native tool calling) or text (calls printed as text are read).",
    )
    ollama_url: str = Field(default="http://127.0.0.1:11434", description="Address of an Ollama server.")
    openai_url: str | None = Field(
        default=None,
        description="Base address (ending in /v1) of an OpenAI-compatible server: vLLM, LM Studio, llama.cpp ...",
    )
    openai_key: SecretStr | None = Field(default=None, description="Key for that server, if it wants one.")
    libretranslate_url: str | None = Field(default=None, description="Address of a LibreTranslate server.")
    libretranslate_key: SecretStr | None = Field(default=None, description="Key for that server, if it wants one.")
    elevenlabs_key: SecretStr | None = Field(
        default=None, description="Key for ElevenLabs voices. What is spoken or cloned with them is sent there."
    )
    online_translation: bool = Field(
        default=False, description="Lets `translate` use free online services: texts are sent to them."
    )
    device: str = Field(
        default="auto", description="Where large models run: auto, cpu, cuda, cuda:1, mps. auto: the best there is."
    )
    chat_timeout_seconds: float = Field(
        default=300, gt=0, description="A chat server that says nothing for this long is given up."
    )
    budget_mb: int = Field(
        default=0, ge=0, description="Memory all loaded models may use together; 0: 60 % of this machine's."
    )
    idle_seconds: float = Field(default=600, gt=0, description="A model nobody uses for this long is unloaded.")
    threads: int = Field(default_factory=_physical_cores, ge=1, description="CPU threads of a model: physical cores.")
    max_message_chars: int = Field(default=20_000, gt=0, description="Longest message, in characters.")
    max_upload_mb: int = Field(default=200, gt=0, description="Largest file that can be attached.")
    artifacts_url: str | None = Field(
        default=None, description="Where media are kept, such as s3://bucket/folder; empty: a folder in `home`."
    )
    artifacts_endpoint: str | None = Field(
        default=None, description="Address of a server that speaks S3's protocol, such as MinIO; empty: AWS itself."
    )
    artifacts_cache_mb: int = Field(
        default=2_000, gt=0, description="Local copies of media that are kept elsewhere take about this much at most."
    )
    artifacts_grace_days: float = Field(
        default=7, ge=0, description="`artifacts gc` leaves alone what is younger than this, whether or not it is used."
    )
    max_artifacts: int = Field(default=0, ge=0, description="How many media files are kept at most; 0: no limit.")
    max_artifacts_mb: int = Field(default=0, ge=0, description="How much media files may take; 0: no limit.")
    max_pixels: int = Field(default=50_000_000, gt=0, description="Largest picture, in pixels.")
    max_audio_seconds: float = Field(default=7_200, gt=0, description="Longest recording, in seconds.")
    tool_timeout_seconds: float = Field(default=600, gt=0, description="A tool that takes longer is stopped.")
    chroma_url: str | None = Field(
        default=None,
        description="Address of a Chroma server (chroma run) for memory's vectors; empty: a folder in the home.",
    )
    max_turn_replans: int = Field(
        default=2, ge=0, description="How often a turn may plan again after a step failed or found nothing."
    )
    max_turn_steps: int = Field(default=16, ge=1, description="Most steps of one turn.")
    max_turn_seconds: float = Field(
        default=3_600, gt=0, description="Most seconds of work of one turn, as its tools predict them."
    )
    max_turn_dollars: float = Field(
        default=1.0, ge=0, description="Most US dollars of paid services in one turn, as its tools predict them."
    )
    approval: dict[str, Policy] = Field(
        default={},
        description="What is done before a tool is used, by its name: auto, ask or deny. Not named: by its danger.",
    )
    user_approval: dict[str, dict[str, Policy]] = Field(
        default={}, description="The same for single users, by user and tool; it goes before `approval`."
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on. Loopback only.")
    port: int = Field(default=8321, ge=1, le=65535, description="Port of the API.")
    ui_port: int = Field(default=8501, ge=1, le=65535, description="Port of the page.")

    @field_validator("ollama_url", "openai_url", "libretranslate_url", "artifacts_endpoint", "chroma_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://-")
        try:
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # its port is no port
            is_address = False
        if not is_address:
            raise ValueError("it must be an address such as http://127.0.0.1:11434")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        from memory.database import parse_url

        try:
            parse_url(value)
        except InputError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("checkpoint_key", "openai_key", "libretranslate_key", "elevenlabs_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        """Without the line break that a key read from a file ends in: as a header it would be refused, and quoted."""
        key = value.get_secret_value().strip() if value else ""
        if not (key.isascii() and key.isprintable()):
            raise ValueError("a key has only letters, digits and signs of ASCII, on one line")
        return SecretStr(key) if key else None

    @property
    def catalog_files(self) -> tuple[Path, ...]:
        """The user's own catalog entries, on top of the built-in ones."""
        return (config_folder() / "catalog.toml",)

    @property
    def for_models(self) -> dict[str, str]:
        """The settings that models of the catalog may need (`ModelEntry.setting`), by name, as far as they are set."""
        values = {
            "elevenlabs_key": self.elevenlabs_key.get_secret_value() if self.elevenlabs_key else "",
            "libretranslate_url": self.libretranslate_url or "",
            "libretranslate_key": self.libretranslate_key.get_secret_value() if self.libretranslate_key else "",
            "ollama_url": self.ollama_url,
            "openai_url": self.openai_url or "",
            "openai_key": self.openai_key.get_secret_value() if self.openai_key else "",
            "online_translation": "yes" if self.online_translation else "",
        }
        return {name: value for name, value in values.items() if value}

    @property
    def memory_budget_mb(self) -> int:
        if self.budget_mb:
            return self.budget_mb
        import psutil

        return int(psutil.virtual_memory().total * 0.6 / 1e6)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


def config_file() -> Path:
    """``SENSORIUM_CONFIG``, or `sensorium.toml` in the configuration folder. It need not exist."""
    return Path(os.environ.get("SENSORIUM_CONFIG") or config_folder() / "sensorium.toml").expanduser()


def load_settings(**changes: Any) -> Settings:
    """``changes`` override file and environment. Raises InputError that names the setting that does not fit."""
    try:
        return Settings(**changes)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"The setting {name!r} does not fit: {first['msg'].lower()}.",
            fix=f"Correct SENSORIUM_{name.upper()} or {name} in {config_file()}.",
        ) from error
    except ValueError as error:  # tomllib.TOMLDecodeError is one
        raise InputError(f"{config_file()} is not valid TOML: {error}.", fix="Correct the file.") from error
