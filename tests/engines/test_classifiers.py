"""Sentiment and emotion: transformers classifiers (tiny, random), the embedded head, voices, and batching."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.audio.voice_emotion import TransformersVoiceEmotion
from engines.catalog import Catalog, ModelEntry
from engines.errors import EngineError, InputError
from engines.loading import LoadContext
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio, Emotion
from engines.text.classifiers import TransformersEmotion, TransformersSentiment
from engines.text.embeddings import MiniLM
from engines.text.emotion_head import EmotionHead
from engines.text.emotions import GOEMOTIONS, GROUPS, emotion_name, gathered, group_of


def context(folder: Path, **options: Any) -> LoadContext:
    entry = ModelEntry(id="tiny", title="Tiny", capability="x", engine="a:b", licence="MIT", options=options)
    return LoadContext(entry, folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def three_ways(folders: Path) -> Path:
    from tiny_classifiers import roberta

    return roberta(folders / "three", ["negative", "neutral", "positive"])


class TestNamesOfEmotions:
    def test_every_label_of_goemotions_is_in_one_group(self) -> None:
        assert len(GOEMOTIONS) == 28
        assert GOEMOTIONS[-1] == "neutral"
        assert [label for group in GROUPS.values() for label in group if group_of(label) is None] == []

    @pytest.mark.parametrize(("given", "name"), [("hap", "joy"), ("ANG", "anger"), ("calm", "neutral"), ("Joy", "joy")])
    def test_what_models_call_them(self, given: str, name: str) -> None:
        assert emotion_name(given) == name

    def test_a_group_is_as_likely_as_its_likeliest_label(self) -> None:
        found = gathered(
            [Emotion("fear", 0.2, False), Emotion("nervousness", 0.6, True), Emotion("boredom", 0.9, True)]
        )
        assert [emotion.label for emotion in found.labels] == ["boredom", "nervousness", "fear"]
        assert found.groups == (Emotion("fear", 0.6, True),)


class TestSentiment:
    def test_agrees_with_the_library_itself(self, three_ways: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model: Any = AutoModelForSequenceClassification.from_pretrained(three_ways)
        tokenizer: Any = AutoTokenizer.from_pretrained(three_ways)
        engine = TransformersSentiment(context(three_ways))
        for text in ("the film was good !", "the film was bad .", "i am"):
            with torch.inference_mode():
                row = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1).tolist()
            found = engine.analyze(text)
            assert found.score == pytest.approx(row[2] - row[0], abs=1e-5)
            assert found.label == ("negative", "neutral", "positive")[row.index(max(row))]
        engine.close()

    def test_a_text_longer_than_the_model_is_read_in_parts(self, three_ways: Path) -> None:
        engine = TransformersSentiment(context(three_ways))
        long = "the film was good ! " * 200
        parts = engine._classifier.probabilities(long, CancelToken())
        assert len(parts) > 5
        assert sum(length for _, length in parts) == len(long)
        assert -1 <= engine.analyze(long).score <= 1

    def test_two_labels_make_three(self, folders: Path) -> None:
        from tiny_classifiers import roberta

        folder = roberta(folders / "two", ["NEGATIVE", "POSITIVE"])
        surely = TransformersSentiment(context(folder, neutral_below=0.0)).analyze("the film was good")
        assert surely.label in ("positive", "negative")
        assert TransformersSentiment(context(folder, neutral_below=1.0)).analyze("the film was good").label == "neutral"

    def test_numbered_labels_want_names(self, folders: Path) -> None:
        from tiny_classifiers import roberta

        folder = roberta(folders / "numbered", ["LABEL_0", "LABEL_1", "LABEL_2"])
        with pytest.raises(EngineError, match=r"tells LABEL_0, LABEL_1, LABEL_2 apart.*Name its labels in the catalog"):
            TransformersSentiment(context(folder))
        names = {"LABEL_0": "negative", "LABEL_1": "neutral", "LABEL_2": "positive"}
        assert TransformersSentiment(context(folder, labels=names)).analyze("i am happy").label

    def test_no_words_no_sentiment(self, three_ways: Path) -> None:
        with pytest.raises(InputError, match="no text"):
            TransformersSentiment(context(three_ways)).analyze(" ?! ")

    def test_can_be_cancelled(self, three_ways: Path) -> None:
        cancel = CancelToken()
        engine = TransformersSentiment(context(three_ways))
        busy = engine._classifier._batched
        busy._busy = True  # another call's batch is under way
        cancel.set()
        with pytest.raises(Cancelled):
            engine.analyze("i am happy", cancel=cancel)

    def test_calls_that_come_together_are_worked_on_together(self, three_ways: Path) -> None:
        engine = TransformersSentiment(context(three_ways))
        texts = [f"the film was {word} " * count for word in ("good", "bad", "sad") for count in range(1, 25, 3)]
        alone = [engine.analyze(text).score for text in texts]
        before = engine._classifier._batched.batches
        with ThreadPoolExecutor(8) as pool:
            together = [found.score for found in pool.map(engine.analyze, texts)]
        assert together == pytest.approx(alone, abs=1e-4)
        assert engine._classifier._batched.batches - before <= len(texts)

    def test_a_classifier_that_is_not_in_the_weights_is_refused(self, three_ways: Path, tmp_path: Path) -> None:
        from tiny_classifiers import without_head

        with pytest.raises(EngineError, match=r"classifier\.dense\.bias is not in its weights: .* would be random"):
            TransformersSentiment(context(without_head(three_ways, tmp_path / "headless")))


class TestEmotionByTransformers:
    def test_several_emotions_may_be_there(self, folders: Path) -> None:
        from tiny_classifiers import roberta

        folder = roberta(folders / "many", GOEMOTIONS, several=True)
        found = TransformersEmotion(context(folder, threshold=0.5)).recognize("i am very happy today !")
        assert {emotion.label for emotion in found.labels} == set(GOEMOTIONS)
        assert sum(emotion.probability for emotion in found.labels) > 1.5, "they don't exclude each other"
        assert {emotion.label for emotion in found.groups} == set(GROUPS)
        assert all(emotion.present == (emotion.probability >= 0.5) for emotion in found.labels)

    def test_one_of_seven(self, folders: Path) -> None:
        from tiny_classifiers import roberta

        labels = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
        found = TransformersEmotion(context(roberta(folders / "seven", labels))).recognize("i am sad")
        assert sum(emotion.probability for emotion in found.labels) == pytest.approx(1, abs=1e-5)
        assert found.labels[0].label == found.groups[0].label


@pytest.fixture(scope="module")
def voice(folders: Path) -> Path:
    from tiny_classifiers import wav2vec2

    return wav2vec2(folders / "voice", ["neu", "hap", "ang", "sad"])


def tone(seconds: float, rate: int = 16_000) -> Audio:
    time = np.arange(int(seconds * rate)) / rate
    return Audio((0.3 * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32), rate)


class TestEmotionInVoices:
    def test_names_four_emotions(self, voice: Path) -> None:
        engine = TransformersVoiceEmotion(context(voice))
        found = engine.recognize(tone(2))
        assert engine.labels == ("neutral", "joy", "anger", "sadness")
        assert sum(emotion.probability for emotion in found.labels) == pytest.approx(1, abs=1e-5)
        assert {emotion.label for emotion in found.groups} == {"neutral", "joy", "anger", "sadness"}

    def test_a_long_recording_is_heard_in_windows(self, voice: Path) -> None:
        engine = TransformersVoiceEmotion(context(voice, window_seconds=1))
        heard: list[float | None] = []
        found = engine.recognize(tone(5.5), on_progress=lambda fraction, _: heard.append(fraction))
        assert heard == [0, 0.2, 0.4, 0.6, 0.8, 1], "what is left after the fifth is heard with it"
        assert sum(emotion.probability for emotion in found.labels) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("audio", [tone(0.1), Audio(np.zeros(32_000, np.float32), 16_000)])
    def test_silence_has_no_emotion(self, voice: Path, audio: Audio) -> None:
        with pytest.raises(InputError, match="no voice in the recording"):
            TransformersVoiceEmotion(context(voice)).recognize(audio)

    def test_another_sample_rate_is_refused(self, voice: Path) -> None:
        with pytest.raises(InputError, match="hears 16000 Hz, not 8000 Hz"):
            TransformersVoiceEmotion(context(voice)).recognize(tone(1, 8_000))

    def test_can_be_cancelled_between_windows(self, voice: Path) -> None:
        cancel = CancelToken()
        with pytest.raises(Cancelled):
            TransformersVoiceEmotion(context(voice, window_seconds=1)).recognize(
                tone(5), on_progress=lambda *_: cancel.set(), cancel=cancel
            )

    def test_a_classifier_that_is_not_in_the_weights_is_refused(self, voice: Path, tmp_path: Path) -> None:
        from tiny_classifiers import without_head

        with pytest.raises(EngineError, match=r"classifier\.bias is not in its weights"):
            TransformersVoiceEmotion(context(without_head(voice, tmp_path / "headless")))


@pytest.fixture(scope="module")
def head(weights: Callable[[str], Path]) -> EmotionHead:
    catalog = Catalog.load()
    embedding = MiniLM(LoadContext(catalog.get("minilm-l6-v2"), weights("minilm-l6-v2")))
    folder = Path(__file__).parents[2] / "engines/data/emotion"
    return EmotionHead(LoadContext(catalog.get("minilm-emotion"), folder, parts={"text-embedding": embedding}))


@pytest.mark.models
class TestEmbeddedEmotion:
    @pytest.mark.parametrize(
        ("text", "group", "label"),
        [
            ("Thanks a lot, that was really kind of you.", "joy", "gratitude"),
            ("I'm terrified, something is moving in the dark.", "fear", "fear"),
            ("My grandfather died on Sunday and I miss him.", "sadness", "grief"),
            ("Leave me alone, I hate you!", "anger", "anger"),
            ("Ew, there is mold on the bread, how revolting.", "disgust", "disgust"),
            ("Wow, I never expected that!", "surprise", "surprise"),
            ("The bus stops at the corner of Main Street.", "neutral", "neutral"),
        ],
    )
    def test_plain_cases(self, head: EmotionHead, text: str, group: str, label: str) -> None:
        found = head.recognize(text)
        assert found.groups[0].label == group
        assert found.groups[0].present
        assert label in [emotion.label for emotion in found.labels[:3]]

    def test_a_feeling_in_a_long_text_is_found(self, head: EmotionHead) -> None:
        dull = "The bus stops at the corner. The shop opens at nine. The form has two pages. "
        found = head.recognize(dull * 20 + "Thank you so much for your help, I really appreciate it! " + dull * 20)
        assert "gratitude" in [emotion.label for emotion in found.labels if emotion.present]

    def test_no_words_no_emotion(self, head: EmotionHead) -> None:
        with pytest.raises(InputError, match="no words"):
            head.recognize("12 + 3")

    def test_knows_the_labels_and_groups(self, head: EmotionHead) -> None:
        assert head.labels == GOEMOTIONS
        found = head.recognize("hello")
        assert len(found.labels) == 28
        assert {emotion.label for emotion in found.groups} == set(GROUPS)


class TestTheHeadsFile:
    class Wide:
        def embed(self, texts: list[str], **_: object) -> Any:
            return np.ones((len(texts), 512), np.float32)

    def test_another_embedding_is_refused(self) -> None:
        folder = Path(__file__).parents[2] / "engines/data/emotion"
        entry = Catalog.load().get("minilm-emotion")
        head = EmotionHead(LoadContext(entry, folder, parts={"text-embedding": self.Wide()}))
        with pytest.raises(EngineError, match="reads embeddings of 384 numbers, not of 512"):
            head.recognize("hello")

    def test_a_damaged_head_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "head.npz").write_bytes(b"no head")
        entry = Catalog.load().get("minilm-emotion")
        with pytest.raises(EngineError, match="can't be read"):
            EmotionHead(LoadContext(entry, tmp_path, parts={"text-embedding": self.Wide()}))


@pytest.mark.models
def test_embeddings_asked_for_together_are_worked_on_together(weights: Callable[[str], Path]) -> None:
    engine = MiniLM(LoadContext(Catalog.load().get("minilm-l6-v2"), weights("minilm-l6-v2")))
    texts = [f"a sentence about the number {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: engine.embed([text])[0], texts))
    for text, row in zip(texts, rows, strict=True):
        assert row @ engine.embed([text])[0] > 0.98
    engine.close()
