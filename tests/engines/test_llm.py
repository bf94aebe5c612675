"""The embedded chat model: what it promises, on the real light weights."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from small_llm import CONTEXT, LIGHT, small_llm, with_options

from engines.catalog import Catalog
from engines.errors import ContextOverflowError, EngineError, InputError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import ChatReply, ChatRequest, ChatTurn
from engines.text.llm import LlamaCpp


def damaged(folder: Path, **options: object) -> LoadContext:
    return LoadContext(entry=with_options(Catalog.load().get(LIGHT), **options), folder=folder)


def user(text: str, **more: object) -> ChatRequest:
    return ChatRequest([ChatTurn("user", text)], **more)  # type: ignore[arg-type]  # the fields of ChatRequest


@pytest.fixture(scope="module")
def llm(weights: Callable[[str], Path]) -> Iterator[LlamaCpp]:
    engine = LlamaCpp(small_llm(weights))
    yield engine
    engine.close()


@pytest.mark.models
class TestAnswers:
    def test_streams_exactly_the_text_it_returns(self, llm: LlamaCpp) -> None:
        pieces: list[str] = []
        reply = llm.complete(user("Write 'one two three' and nothing else."), on_token=pieces.append)
        assert "".join(pieces) == reply.text
        assert len(pieces) > 1
        assert reply.finish_reason == "stop"
        assert "one two three" in reply.text.lower()

    def test_counts_what_it_read_and_wrote(self, llm: LlamaCpp) -> None:
        reply = llm.complete(user("Count to one hundred in words.", max_tokens=7))
        assert reply.completion_tokens == 7
        assert reply.finish_reason == "length"
        assert reply.prompt_tokens > llm.count_tokens("Count to one hundred in words.")

    def test_the_same_request_gets_the_same_answer(self, llm: LlamaCpp) -> None:
        asked = user("Name a colour.", temperature=0.9, seed=7, max_tokens=12)
        assert llm.complete(asked).text == llm.complete(asked).text

    def test_stops_before_a_stop_word(self, llm: LlamaCpp) -> None:
        reply = llm.complete(user("Write: red, green, blue", stop=["green"]))
        assert "green" not in reply.text
        assert reply.finish_reason == "stop"

    def test_one_token_is_a_whole_answer(self, llm: LlamaCpp) -> None:
        reply = llm.complete(user("Hello", max_tokens=1))
        assert (reply.completion_tokens, reply.finish_reason) == (1, "length")

    @pytest.mark.parametrize("text", ["", "   \n", "🦜 naïve 日本語 \u202eabc", "<|im_end|>"])
    def test_any_text_is_a_prompt(self, llm: LlamaCpp, text: str) -> None:
        assert llm.complete(user(text, max_tokens=4)).completion_tokens >= 1

    def test_never_cuts_a_character_in_two(self, llm: LlamaCpp) -> None:
        pieces: list[str] = []
        asked = user("Repeat exactly: 🦜🐘🦒 日本語", max_tokens=30)
        reply = llm.complete(asked, on_token=pieces.append)
        assert "\ufffd" not in reply.text
        assert "日本" in reply.text

    def test_refuses_a_request_without_messages_or_room_to_answer(self, llm: LlamaCpp) -> None:
        with pytest.raises(InputError, match="at least one message"):
            llm.complete(ChatRequest([]))
        with pytest.raises(InputError, match="at least 1, not 0"):
            llm.complete(user("hi", max_tokens=0))

    def test_refuses_a_request_for_an_adapter_that_it_does_not_have(self, llm: LlamaCpp) -> None:
        with pytest.raises(InputError, match="has no adapter 'rhymes'"):
            llm.complete(user("hi", adapter="rhymes"))

    def test_a_failing_listener_is_not_swallowed(self, llm: LlamaCpp) -> None:
        def full(_: str) -> None:
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            llm.complete(user("Tell me a story."), on_token=full)
        assert llm.complete(user("hi", max_tokens=1)).text


@pytest.mark.models
class TestSchema:
    SCHEMA: ClassVar = {
        "type": "object",
        "properties": {
            "animal": {"enum": ["axolotl", "okapi"]},
            "legs": {"type": "integer", "minimum": 0, "maximum": 9},
            "why": {"type": "string", "maxLength": 20},
        },
        "required": ["animal", "legs", "why"],
        "additionalProperties": False,
    }

    @pytest.mark.parametrize("temperature", [0.0, 1.5])
    def test_the_answer_fits_the_schema_whatever_is_asked(self, llm: LlamaCpp, temperature: float) -> None:
        asked = user("Sing me a song about cars.", json_schema=self.SCHEMA, temperature=temperature, max_tokens=100)
        answer = json.loads(llm.complete(asked).text)
        assert set(answer) == {"animal", "legs", "why"}
        assert answer["animal"] in ("axolotl", "okapi")
        assert 0 <= answer["legs"] <= 9
        assert len(answer["why"]) <= 20

    def test_a_schema_that_means_nothing_is_the_callers_mistake(self, llm: LlamaCpp) -> None:
        with pytest.raises(InputError, match="nonsense"):
            llm.complete(user("hi", json_schema={"type": "nonsense"}))


@pytest.mark.models
class TestContext:
    @pytest.mark.parametrize("lane", ["plan", "respond", "translate"])
    def test_each_lane_has_the_context_it_claims(self, llm: LlamaCpp, lane: str) -> None:
        assert llm.context_tokens == CONTEXT
        fits = "a " * (CONTEXT - 60)
        assert llm.complete(user(fits, max_tokens=1, lane=lane)).prompt_tokens > CONTEXT - 100
        with pytest.raises(ContextOverflowError, match=rf"is 1\d+ tokens long; qwen.* takes {CONTEXT}"):
            llm.complete(user("a " * (CONTEXT + 1), lane=lane))

    def test_the_answer_ends_where_the_context_does(self, llm: LlamaCpp) -> None:
        reply = llm.complete(user("Count to ten thousand. " + "a " * (CONTEXT - 80), max_tokens=500))
        assert reply.finish_reason == "length"
        assert reply.prompt_tokens + reply.completion_tokens <= CONTEXT

    def test_counts_tokens_exactly(self, llm: LlamaCpp) -> None:
        assert llm.count_tokens("") == 0
        assert llm.count_tokens("hello") == 1
        short, long = (llm.complete(user(text, max_tokens=1)).prompt_tokens for text in ("hello", "hello" * 10))
        assert long - short == llm.count_tokens("hello" * 10) - 1

    def test_two_prefixes_stay_warm_side_by_side(self, llm: LlamaCpp) -> None:
        def ask(lane: str, question: str) -> ChatReply:
            rules = " ".join(f"In {lane} mode rule {number} holds." for number in range(40))
            turns = [ChatTurn("system", rules), ChatTurn("user", question)]
            return llm.complete(ChatRequest(turns, max_tokens=1, lane=lane))

        cold = [ask("plan", "one"), ask("respond", "two")]
        warm = [ask("plan", "three"), ask("respond", "four")]
        for first, second in zip(cold, warm, strict=True):
            assert first.cached_tokens < first.prompt_tokens / 4
            assert second.cached_tokens > second.prompt_tokens * 0.9

    def test_a_prefix_pushed_out_of_its_slot_comes_back_from_memory(self, llm: LlamaCpp) -> None:
        first = user("The first conversation. " + "blue " * 300, max_tokens=1)
        llm.complete(first)
        llm.complete(user("Another one. " + "green " * 300, max_tokens=1))
        assert llm.complete(first).cached_tokens > 250


@pytest.mark.models
class TestCancellation:
    def test_stops_within_a_token_or_two(self, llm: LlamaCpp) -> None:
        cancel = CancelToken()
        pieces: list[str] = []

        def third(piece: str) -> None:
            pieces.append(piece)
            if len(pieces) == 3:
                cancel.set()

        with pytest.raises(Cancelled):
            llm.complete(user("Count to one hundred in words."), on_token=third, cancel=cancel)
        assert len(pieces) == 3
        assert llm.complete(user("hi", max_tokens=1)).text  # the slot is free again

    def test_stops_while_it_reads_a_long_prompt(self, weights: Callable[[str], Path]) -> None:
        engine = LlamaCpp(small_llm(weights, batch_tokens=32))
        seen: list[bool] = []

        class SetAtSecondLook(CancelToken):
            def is_set(self) -> bool:
                seen.append(len(seen) >= 1)
                return seen[-1]

            def check(self) -> None:
                if any(seen):
                    raise Cancelled

        try:
            prompt = "a long story " * 150
            with pytest.raises(Cancelled):
                engine.complete(user(prompt), cancel=SetAtSecondLook())
            read = engine.complete(user(prompt, max_tokens=1))
            assert read.cached_tokens < 100  # the rest had not been read
        finally:
            engine.close()

    def test_a_request_that_waits_for_its_slot_can_be_cancelled(self, llm: LlamaCpp) -> None:
        started, release = threading.Event(), threading.Event()

        def hold(_: str) -> None:
            started.set()
            release.wait(30)

        busy = threading.Thread(target=llm.complete, args=(user("Hello", max_tokens=2),), kwargs={"on_token": hold})
        busy.start()
        assert started.wait(30)
        cancel = CancelToken()
        timer = threading.Timer(0.2, cancel.set)
        timer.start()
        with pytest.raises(Cancelled):
            llm.complete(user("Hello", max_tokens=1), cancel=cancel)
        assert busy.is_alive()
        release.set()
        busy.join()

    def test_two_lanes_work_at_once(self, llm: LlamaCpp) -> None:
        inside = threading.Barrier(2, timeout=60)
        met: list[str] = []

        def ask(lane: str) -> None:
            first = True

            def meet(_: str) -> None:
                nonlocal first
                if first:
                    first = False
                    inside.wait()
                    met.append(lane)

            llm.complete(user(f"Say {lane}.", max_tokens=4, lane=lane), on_token=meet)

        threads = [threading.Thread(target=ask, args=(lane,)) for lane in ("plan", "respond")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(met) == ["plan", "respond"]


@pytest.mark.models
class TestLifetime:
    def test_gives_its_memory_back_and_then_says_so(self, weights: Callable[[str], Path]) -> None:
        process = psutil.Process()
        engine = LlamaCpp(small_llm(weights))
        engine.complete(user("hi", max_tokens=1))
        loaded = process.memory_info().rss
        engine.close()
        assert loaded - process.memory_info().rss > 300 * 2**20
        with pytest.raises(EngineError, match="closed"):
            engine.complete(user("hi"))

    def test_closing_stops_what_is_under_way(self, weights: Callable[[str], Path]) -> None:
        engine = LlamaCpp(small_llm(weights))
        problems: list[BaseException] = []
        started = threading.Event()

        def work() -> None:
            try:
                engine.complete(user("Count to one thousand in words."), on_token=lambda _: started.set())
            except EngineError as error:
                problems.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert started.wait(60)
        engine.close()
        thread.join(30)
        assert "closed while it was in use" in str(problems[0])

    def test_is_silent_and_opens_no_port(self, weights: Callable[[str], Path]) -> None:
        script = f"""
import sys, psutil
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_llm import *
engine = LlamaCpp(small_llm(lambda _: Path({str(small_llm(weights).folder)!r})))
engine.complete(user("hi", max_tokens=2))
assert psutil.Process().net_connections("inet") == []
engine.close()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_works_beside_another_model(self, llm: LlamaCpp, weights: Callable[[str], Path]) -> None:
        other = LlamaCpp(small_llm(weights))
        assert other.complete(user("hi", max_tokens=1)).text
        other.close()
        assert llm.complete(user("hi", max_tokens=1)).text


class TestDamagedWeights:
    @pytest.mark.parametrize("content", [b"", b"not a model at all" * 1000, b"GGUF\x03\0\0\0" + b"\xff" * 4096])
    def test_garbage_is_an_error_and_not_a_crash(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "model.gguf").write_bytes(content)
        with pytest.raises(EngineError, match=r"can't be loaded.*Fetch them again: sensorium models pull"):
            LlamaCpp(damaged(tmp_path))

    @pytest.mark.models
    @pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
    def test_a_truncated_file_is_an_error_and_not_a_crash(
        self, tmp_path: Path, weights: Callable[[str], Path], share: float
    ) -> None:
        [whole] = small_llm(weights).folder.glob("*.gguf")
        with whole.open("rb") as file:
            (tmp_path / "model.gguf").write_bytes(file.read(int(whole.stat().st_size * share)))
        with pytest.raises(EngineError, match="can't be loaded"):
            LlamaCpp(damaged(tmp_path))

    def test_a_folder_without_one_gguf_says_what_is_there(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"holds no \.gguf file"):
            LlamaCpp(damaged(tmp_path))
        for name in ("a.gguf", "b.gguf"):
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(EngineError, match=r"several models: a\.gguf, b\.gguf\. Name one in the entry"):
            LlamaCpp(damaged(tmp_path))
        with pytest.raises(EngineError, match=r"holds no c\.gguf"):
            LlamaCpp(damaged(tmp_path, file="c.gguf"))

    def test_options_that_make_no_sense_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="options"):
            LlamaCpp(damaged(tmp_path, context_tokens=3))

    def test_an_adapter_that_is_not_there_is_named_and_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        (tmp_path / "model.gguf").write_bytes(b"")
        with pytest.raises(EngineError, match=r"no adapter .*planner/none\.gguf"):
            LlamaCpp(damaged(tmp_path, adapters={"plan": "planner/none.gguf"}))
        assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


@pytest.mark.models
class TestPromptStates:
    """What a process made of a shared prompt is there for the next one."""

    SHARED = (ChatTurn("system", "You name the capital of a country. " * 20), ChatTurn("user", "France"))

    def ask(self, weights: Callable[[str], Path], cache: Path) -> ChatReply:
        engine = LlamaCpp(dataclasses.replace(small_llm(weights), cache=cache))
        try:
            request = ChatRequest(
                [*self.SHARED, ChatTurn("user", "And of Spain?")], max_tokens=3, lane="plan", shared=2
            )
            return engine.complete(request)
        finally:
            engine.close()

    def test_a_new_process_does_not_read_the_shared_messages_again(
        self, weights: Callable[[str], Path], tmp_path: Path
    ) -> None:
        first, second = self.ask(weights, tmp_path), self.ask(weights, tmp_path)
        assert second.cached_tokens > 0.8 * second.prompt_tokens
        assert second.text == first.text
        (state,) = (tmp_path / "prompts").iterdir()
        assert b"Spain" not in state.read_bytes()

    def test_a_damaged_state_is_made_again(self, weights: Callable[[str], Path], tmp_path: Path) -> None:
        first = self.ask(weights, tmp_path)
        (state,) = (tmp_path / "prompts").iterdir()
        state.write_bytes(state.read_bytes()[:1000])
        assert self.ask(weights, tmp_path).text == first.text
        assert state.stat().st_size > 1000

    def test_without_a_folder_to_write_to_it_works_all_the_same(
        self, weights: Callable[[str], Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        assert self.ask(weights, tmp_path / "file" / "no-folder").text
