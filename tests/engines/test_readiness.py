"""Which models are ready on this machine, what the others need, and which one is taken."""

from __future__ import annotations

import pytest
from controller_fakes import Machine, catalog, model

from engines.catalog import ModelEntry
from engines.errors import MissingExtraError, MissingSettingError, MissingWeightsError, NotFoundError
from engines.readiness import Shelf


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture(autouse=True)
def _extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["no-such-package ; extra == 'none-such'"])


def shelf(machine: Machine, *entries: ModelEntry, **settings: str) -> Shelf:
    return Shelf(catalog(*entries), machine, settings)


def test_a_model_with_all_it_needs_is_ready(machine: Machine) -> None:
    entry = model("a")
    assert shelf(machine, entry).readiness(entry).state == "ready"
    assert shelf(machine, entry).require(entry)[1] == ""


@pytest.mark.parametrize(
    ("entry", "state", "fix"),
    [
        (model("a", extra="none-such"), "needs extra", "pip install 'sensorium[none-such]'"),
        (model("a", packages=("no-such-one",)), "needs extra", "pip install no-such-one"),
        (model("a", packages=("no-such-one",), install="make it"), "needs extra", "make it"),
        (model("gone"), "needs weights", "sensorium models pull gone"),
        (model("a", setting="some_key"), "needs key", "Set SENSORIUM_SOME_KEY"),
        (model("a", setting="some_url"), "needs setting", "Set SENSORIUM_SOME_URL"),
        (model("gone", snapshot={"folder": "there"}), "needs weights", "put the model into"),
        (model("gone", snapshot={"repo": "a/b", "bytes": 2_000_000_000}), "needs weights", "pull gone (2.0 GB)"),
    ],
)
def test_what_a_model_needs_is_said_with_what_to_do(machine: Machine, entry: ModelEntry, state: str, fix: str) -> None:
    machine.missing = {"gone"}
    found = shelf(machine, entry).readiness(entry)
    assert found.state == state
    assert fix in found.fix


def test_what_takes_a_command_of_its_own_is_said_with_its_note(machine: Machine) -> None:
    entry = model("posed", packages=("no-such",), install="pip install no-such==1", note="Wants Python 3.12.")
    with pytest.raises(MissingExtraError, match=r"Run: pip install no-such==1 \(Wants Python 3\.12\.\)"):
        shelf(machine, entry).require(entry)


def test_a_model_that_works_through_another_needs_what_that_needs(machine: Machine) -> None:
    machine.missing = {"ears"}
    through = model("through", "talk", uses=("speak",))
    found = shelf(machine, through, model("ears")).readiness(through)
    assert (found.state, found.fix) == ("needs weights", "sensorium models pull ears")
    machine.missing = set()
    assert shelf(machine, through, model("ears")).readiness(through).state == "ready"


def test_a_model_that_works_through_itself_has_an_answer_too(machine: Machine) -> None:
    snake = model("snake", uses=("speak",))
    assert shelf(machine, snake).readiness(snake).state == "ready"


def test_what_is_missing_is_named_in_the_order_in_which_a_user_mends_it(machine: Machine) -> None:
    machine.missing = {"a"}
    entry = model("a", setting="some_key", extra="none-such", note="Get a key there.")
    with pytest.raises(MissingSettingError, match=r"some_key is not set. Set SENSORIUM_SOME_KEY. Get a key there."):
        shelf(machine, entry).require(entry)
    with pytest.raises(MissingExtraError, match=r"no-such-package. Run: pip install 'sensorium\[none-such\]'"):
        shelf(machine, entry, some_key="x").require(entry)
    entry = model("a", setting="some_key")
    with pytest.raises(MissingWeightsError, match="models pull a"):
        shelf(machine, entry, some_key="x").require(entry)
    machine.missing = set()
    assert shelf(machine, entry, some_key="x").require(entry)[1] == "x"


class TestTheModelThatIsTaken:
    def test_is_the_default(self, machine: Machine) -> None:
        machine.missing = {"b"}
        assert shelf(machine, model("a"), model("b", default=True)).resolve("speak").id == "b"

    def test_is_a_better_one_than_a_stand_in_once_it_is_ready(self, machine: Machine) -> None:
        entries = (
            model("stand-in", default=True, fallback=True),
            model("far", remote=True),
            model("large"),
            model("huge"),
        )
        machine.missing = {"large", "huge"}
        assert shelf(machine, *entries).resolve("speak").id == "stand-in"
        machine.missing = {"large"}
        assert shelf(machine, *entries).resolve("speak").id == "huge"

    def test_is_the_one_that_was_named_ready_or_not(self, machine: Machine) -> None:
        machine.missing = {"large"}
        found = shelf(machine, model("stand-in", default=True, fallback=True), model("large"))
        assert found.resolve("speak", "large").id == "large"
        with pytest.raises(NotFoundError):
            found.resolve("speak", "nothing")

    @pytest.mark.parametrize(
        ("language", "missing", "chosen"),
        [
            ("en", set(), "english"),  # the default speaks it
            ("es", set(), "latin"),  # the first of those that do, and run here
            ("es", {"latin"}, "spanish"),  # the first that is on this disk
            ("es", {"latin", "spanish"}, "english"),  # an accent is better than nothing
            ("fi", set(), "english"),
        ],
    )
    def test_knows_the_language(self, machine: Machine, language: str, missing: set[str], chosen: str) -> None:
        machine.missing = missing
        found = shelf(
            machine,
            model("far", remote=True, languages=("es",)),
            model("unplugged", extra="none-such", languages=("es",)),
            model("latin", languages=("es", "it")),
            model("spanish", languages=("es",)),
            model("english", languages=("en",), default=True),
        )
        assert found.choose("speak", language).id == chosen

    def test_is_the_default_when_that_names_no_languages(self, machine: Machine) -> None:
        assert shelf(machine, model("any"), model("spanish", languages=("es",))).choose("speak", "es").id == "any"
