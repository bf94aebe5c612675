"""Settings: defaults, one file, the environment on top, and errors that name what to correct."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.cli.config import as_toml
from agent.settings import Settings, load_settings
from engines.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))


def test_everything_lives_in_the_home_that_is_named(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.home, settings.models_dir, settings.cache_dir) == (
        tmp_path,
        tmp_path / "models",
        tmp_path / "cache",
    )


def test_the_environment_is_stronger_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sensorium.toml").write_text("port = 9000\nui_port = 9001\n", "utf-8")
    monkeypatch.setenv("SENSORIUM_PORT", "9100")
    settings = load_settings()
    assert (settings.port, settings.ui_port) == (9100, 9001)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("ollama_url = 'http://['", "'ollama_url' does not fit"),
        ("openai_url = 'my server'", "'openai_url' does not fit"),
        ("port = 'many'", "'port' does not fit"),
        ("prot = 1", "'prot' does not fit"),
        ("port = ", "not valid TOML"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "sensorium.toml").write_text(content, "utf-8")
    with pytest.raises(InputError, match=says) as caught:
        load_settings()
    assert "sensorium.toml" in str(caught.value)


def test_the_printed_file_is_valid_and_holds_what_is_set(tmp_path: Path) -> None:
    (tmp_path / "sensorium.toml").write_text("budget_mb = 4000\n", "utf-8")
    printed = "\n".join(as_toml(load_settings()))
    assert tomllib.loads(printed) == {"home": str(tmp_path), "budget_mb": 4000}
    assert tomllib.loads(printed.replace("\n# port", "\nport"))["port"] == 8321


def test_a_key_is_neither_shown_nor_pasted_back_as_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OPENAI_KEY", "secret")
    printed = "\n".join(as_toml(load_settings()))
    assert "secret" not in printed
    assert "openai_key" not in tomllib.loads(printed)


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` |" in text
        assert field.description
        assert field.description in text, name


@pytest.mark.parametrize("name", ["openai_key", "libretranslate_key", "elevenlabs_key"])
def test_keys_are_taken_without_the_line_break_of_the_file_they_came_from(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SENSORIUM_{name.upper()}", " sk_secret\n")
    assert getattr(load_settings(), name).get_secret_value() == "sk_secret"
    monkeypatch.setenv(f"SENSORIUM_{name.upper()}", "\n")
    assert getattr(load_settings(), name) is None


@pytest.mark.parametrize("key", ["sk_s\u00e9cret", "sk_\nsecret"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_ELEVENLABS_KEY", key)
    with pytest.raises(InputError, match="on one line") as caught:
        load_settings()
    assert "cret" not in str(caught.value).replace("_KEY", "")


@pytest.mark.parametrize("address", ["http://127.0.0.1:port", "http://127.0.0.1:99999", "http://[::1", "127.0.0.1:80"])
def test_an_address_must_be_one(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_LIBRETRANSLATE_URL", address)
    with pytest.raises(InputError, match="libretranslate_url"):
        load_settings()


def test_the_database_is_a_file_in_the_home_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().database_url == f"sqlite:///{tmp_path / 'sensorium.db'}"
    monkeypatch.setenv("SENSORIUM_DATABASE_URL", "postgresql://ada@127.0.0.1/chats")
    assert load_settings().database_url == "postgresql://ada@127.0.0.1/chats"


def test_the_password_of_a_database_is_neither_shown_nor_pasted_back_as_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENSORIUM_DATABASE_URL", "postgresql://ada:secret@127.0.0.1/chats")
    printed = "\n".join(as_toml(load_settings()))
    assert "postgresql://ada:***@127.0.0.1/chats" in printed
    assert "secret" not in printed
    assert "database_url" not in tomllib.loads(printed)


@pytest.mark.parametrize("address", ["my database", "mysql://host/name", "sqlite:///:memory:"])
def test_a_database_that_can_not_be_used_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_DATABASE_URL", address)
    with pytest.raises(InputError, match="'database_url' does not fit"):
        load_settings()
