"""Retrieval by language, with controls, judgements, labels, and counted as CLIP_benchmark counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks import Bench, Embedder, Record, Results, Retrieval, as_scorer
from concord.errors import DataError
from concord.relevance import Relevance
from concord.types import Caption, RawImage
from tests.benchmarks.benchmark_fakes import FakeReader, Guessing, Oracle, Table


def run(scorer: Any, reader: FakeReader, gallery: int = 0, **settings: Any) -> Results:
    return Bench({"retrieval": Retrieval(reader, **settings)}, gallery=gallery).run(scorer)


def records(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("retrieval/fake/"): record for record in results.records}


class Words(Guessing):
    """Guesses, and says how it reads: one token per letter, and two around; at most ten."""

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return [2 + len(text.replace(" ", "")) for text in texts]

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        return [length > 10 for length in self.text_lengths(texts)]


LANGUAGES = [
    [
        Caption(f"a dog {i}", "en"),
        Caption(f"one dog {i}", "en"),
        Caption(f"ein Hund {i}", "de"),
        *([Caption(f"un chien {i}", "fr")] * (i < 12)),
    ]
    for i in range(20)
]


def test_each_language_is_searched_alone() -> None:
    found = records(run(Guessing(), FakeReader(LANGUAGES), by_language=True))
    for language in ("de", "en", "fr"):
        own = [[str(text) for text in captions if text.role == language] for captions in LANGUAGES]
        alone = records(run(Guessing(), FakeReader(own)))
        for name, record in alone.items():
            assert found[f"{language}/{name}"].value == record.value, name
            assert found[f"{language}/{name}"].n == record.n
    assert {name.split("/")[0] for name in found} == {"de", "en", "fr", "all_languages", "all_but_en"}
    for name in ("image_to_text/r5", "text_to_image/r10"):
        each = {language: found[f"{language}/{name}"] for language in ("de", "en", "fr")}
        assert found[f"all_languages/{name}"].value == pytest.approx(np.mean([record.value for record in each.values()]))
        assert found[f"all_but_en/{name}"].value == pytest.approx((each["de"].value + each["fr"].value) / 2)
        assert found[f"all_languages/{name}"].chance == pytest.approx(np.mean([record.chance or 0 for record in each.values()]))
        assert found[f"all_languages/{name}"].units == 20  # an image is one unit, whatever the language of its captions


def test_a_single_language_has_no_mean_without_english() -> None:
    english = [captions[:1] for captions in LANGUAGES]
    assert not any(name.startswith("all_but_en") for name in records(run(Guessing(), FakeReader(english), by_language=True)))


def test_tokens_are_told_by_language() -> None:
    found = records(run(Words(), FakeReader(LANGUAGES), by_language=True))
    german = [text for captions in LANGUAGES for text in captions if text.role == "de"]
    assert found["de/tokens_per_word"].value == pytest.approx(sum(len(text.replace(" ", "")) for text in german) / (3 * len(german)))
    assert found["de/truncated"].value == np.mean([len(text.replace(" ", "")) + 2 > 10 for text in german]) == 0.5
    assert found["de/truncated"].chance is None
    assert not any("truncated" in name for name in records(run(Guessing(), FakeReader(LANGUAGES), by_language=True)))


def test_a_prefix_stands_before_every_caption() -> None:
    scorer = Words()
    found = records(run(scorer, FakeReader([["a b"], ["c d"], ["e f"]]), prefix="see: "))
    assert scorer.known == ["see: a b", "see: c d", "see: e f"]
    assert found["tokens_per_word"].value == pytest.approx(6 / 3)


def test_controls_cut_and_mix_the_captions() -> None:
    captions = [[f"Start {i}. Middle {i}. End {i}."] for i in range(8)]
    scorer = Oracle([[f"Start {i}."] for i in range(8)])
    found = records(run(scorer, FakeReader(captions), controls=["first_sentence", "last_60_words", "shuffled_sentences"]))
    assert found["first_sentence/image_to_text/r1"].value == found["first_sentence/text_to_image/r1"].value == 1.0
    assert found["image_to_text/r1"].value == found["last_60_words/image_to_text/r1"].value == 0.0
    mixed = [text for text in scorer.known if text.startswith(("Middle", "End"))]
    assert sorted(" ".join(sorted(text.split(" ")[::2])) for text in mixed) == ["End Middle Start"] * len(mixed)
    assert mixed


IDS = [{"caption_ids": [f"c{i}0", f"c{i}1"]} for i in range(4)]
JUDGED = [[f"text {i} {j}" for j in range(2)] for i in range(4)]


def judged_table(seed: int) -> tuple[Table, np.ndarray]:
    texts = [text for own in JUDGED for text in own]
    scores = np.random.default_rng(seed).permutation(32).reshape(4, 8) - 40.0
    return Table(scores, texts), scores


@pytest.mark.parametrize("seed", range(5))
def test_judgements_take_the_place_of_the_pairs(seed: int) -> None:
    scorer, scores = judged_table(seed)
    relevance = Relevance(
        {"key-0": {"c00": 5.0, "c21": 2.0, "c30": 4.0, "gone": 5.0}, "key-2": {"c21": 1.0}}, {"c10": {"key-1": 4.0, "key-3": 5.0}}, 3.0
    )
    found = records(run(scorer, FakeReader(JUDGED, IDS), relevance={"cxc": relevance}))
    by_image = scores[0].argsort()[::-1].tolist()  # places of texts: c00 is 0, c21 is 5, c30 is 6
    right = sorted(by_image.index(text) + 1 for text in (0, 6))
    assert found["cxc/image_to_text/r1"].value == float(right[0] == 1)
    assert found["cxc/image_to_text/r1"].n == 1  # the other judged image has no caption of grade 3
    assert found["cxc/image_to_text/r_precision"].value == sum(place <= 2 for place in right) / 2
    precisions = [(number + 1) / place for number, place in enumerate(right) if place <= 2]
    assert found["cxc/image_to_text/map_r"].value == pytest.approx(sum(precisions) / 2)
    gain = sum(grade / np.log2(2 + by_image.index(text)) for text, grade in ((0, 5.0), (5, 2.0), (6, 4.0)))
    assert found["cxc/image_to_text/ndcg"].value == pytest.approx(gain / (5 + 4 / np.log2(3) + 2 / np.log2(4)))
    by_caption = scores[:, 2].argsort()[::-1].tolist()
    assert found["cxc/text_to_image/r1"].value == float(by_caption[0] in (1, 3))
    assert found["cxc/text_to_image/r1"].chance == pytest.approx(0.5)


def test_judgements_of_right_and_wrong_have_no_gain() -> None:
    relevance = Relevance({"key-0": {"c00": 1.0, "c10": 1.0}}, {"c00": {"key-0": 1.0, "key-1": 1.0}})
    oracle = Oracle([["text 0 0", "text 1 0"], ["text 0 0"], [], []])
    found = records(run(oracle, FakeReader(JUDGED, IDS), relevance={"eccv": relevance}))
    own = {name.removeprefix("eccv/"): record.value for name, record in found.items() if name.startswith("eccv")}
    assert set(own.values()) == {1.0}
    assert {name.split("/")[1] for name in own} == {"r1", "r5", "r10", "map_r", "r_precision"}


def test_judgements_that_do_not_meet_the_data_are_refused() -> None:
    for relevance, metadata, message in (
        (Relevance({"42": {"c00": 1.0}}, {}), IDS, "eccv: none of its queries, such as 42, is in the data set, where they are like key-0"),
        (Relevance({"key-0": {"c00": 1.0}}, {}), None, "fake, example key-0: judgements need one of caption_ids for each caption"),
        (Relevance({"key-0": {"c00": 1.0}}, {}, 2.0), IDS, "no judged query has a candidate of grade 2.0 or better"),
    ):
        with pytest.raises(DataError, match=message):
            run(Guessing(), FakeReader(JUDGED, metadata), relevance={"eccv": relevance})
    for settings_of, message in (
        (({}, {}, 0.0), "right_from must be above 0"),
        (({"a": {"b": 0.0}}, {}), "grades must be above 0, got 0.0 for a"),
    ):
        with pytest.raises(ValueError, match=message):
            Relevance(*settings_of)  # type: ignore[arg-type]


def test_by_label_whatever_shares_the_label_fits() -> None:
    captions = [[f"report {i}"] for i in range(20)]
    labels = [{"label": i % 4} for i in range(20)]
    oracle = Oracle([[f"report {j}" for j in range(20) if j % 4 == i % 4] for i in range(20)], -0.1, -0.9)
    found = records(run(oracle, FakeReader(captions, labels), match="label", precisions=[2, 5, 10]))
    for direction in ("image_to_text", "text_to_image"):
        assert {found[f"{direction}/{name}"].value for name in ("r1", "precision2", "precision5", "precision10", "map_r")} == {1.0}
        assert found[f"{direction}/precision2"].chance == pytest.approx(5 / 20)
    scorer = Guessing()
    found = records(run(scorer, FakeReader(captions, labels), match="label", precisions=[3]))
    hits = []
    for image in range(20):
        best = sorted(range(20), key=lambda text: -scorer.value(image, f"report {text}"))[:3]
        hits.append(np.mean([text % 4 == image % 4 for text in best]))
    assert found["image_to_text/precision3"].value == pytest.approx(np.mean(hits))
    with pytest.raises(DataError, match="example key-0: its metadata lacks label; set match to caption"):
        run(Guessing(), FakeReader(captions), match="label")


class Planted(Embedder):
    """Random vectors in which captions lie near their image; texts are numbers."""

    def __init__(self, images: int, captions: int) -> None:
        generator = torch.Generator().manual_seed(0)
        common = torch.randn(images, 32, generator=generator)
        self.images = F.normalize(common + torch.randn(images, 32, generator=generator), dim=1)
        noise = torch.randn(images * captions, 32, generator=generator)
        self.texts = F.normalize(common.repeat_interleave(captions, 0) + 3 * noise, dim=1)

    def embed_images(self, images: Sequence[RawImage]) -> Tensor:
        return self.images[[int(image[0, 0] @ np.array([65536, 256, 1])) for image in images]]  # type: ignore[call-overload, index]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self.texts[[int(text.split()[-1]) for text in texts]]


def clip_benchmark_recall(scores: np.ndarray, owner: np.ndarray, k: int) -> tuple[float, float]:
    """Its formula, in double precision: of scores [images, captions], the share of queries with a match among the k best."""
    by_image = [np.isin(owner[np.argsort(-row)[:k]], image).any() for image, row in enumerate(scores)]
    by_text = [owner[text] in np.argsort(-column)[:k] for text, column in enumerate(scores.T)]
    return float(np.mean(by_image)), float(np.mean(by_text))


SEEN = {1: (0.11, 0.072), 5: (0.305, 0.227), 10: (0.46, 0.342)}
"""What CLIP_benchmark 1.6.2 finds with the planted embeddings, image to text and text to image."""


def test_recalls_are_those_of_clip_benchmark() -> None:
    planted = Planted(200, 5)
    captions = [[f"caption {i * 5 + j}" for j in range(5)] for i in range(200)]
    found = records(run(as_scorer(planted), FakeReader(captions)))
    scores = (planted.images.double() @ planted.texts.double().T).numpy()
    for k, (by_image, by_text) in SEEN.items():
        assert (found[f"image_to_text/r{k}"].value, found[f"text_to_image/r{k}"].value) == (by_image, by_text)
        assert clip_benchmark_recall(scores, np.arange(1000) // 5, k) == (by_image, by_text)


def test_recalls_are_those_that_clip_benchmark_finds_now() -> None:
    evaluate = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval").evaluate
    planted = Planted(200, 5)

    class Model:
        def encode_image(self, places: Tensor) -> Tensor:
            return planted.images[places]

        def encode_text(self, places: Tensor) -> Tensor:
            return planted.texts[places]

    batches = [(part, [list(range(5 * i, 5 * i + 5)) for i in part.tolist()]) for part in torch.arange(200).split(64)]
    found = evaluate(Model(), batches, torch.tensor, "cpu", amp=False, recall_k_list=list(SEEN))
    for k, (by_image, by_text) in SEEN.items():
        assert np.float32(found[f"text_retrieval_recall@{k}"]) == np.float32(by_image)
        assert np.float32(found[f"image_retrieval_recall@{k}"]) == np.float32(by_text)


def test_separate_duplicates_punish_the_other_images_of_a_text_as_clip_benchmark_does() -> None:
    captions = [["the same"], ["the same"], ["another"]]
    oracle = Oracle(captions)
    shared = records(run(oracle, FakeReader(captions)))
    separate = records(run(oracle, FakeReader(captions), duplicates="separate"))
    for direction in ("image_to_text", "text_to_image"):
        assert shared[f"{direction}/r1"].value == 1.0
        assert separate[f"{direction}/r1"].value == pytest.approx(1 / 3)  # two texts tie with one another
        assert separate[f"{direction}/r1"].half == pytest.approx(2 / 3)
        assert separate[f"{direction}/r1"].ties == 2
        assert separate[f"{direction}/r1"].chance == pytest.approx(1 / 3)


def test_too_few_images_for_a_fold_are_told(caplog: pytest.LogCaptureFixture) -> None:
    captions = [[f"text {i}"] for i in range(6)]
    found = records(run(Guessing(), FakeReader(captions), folds_of=1000))
    assert not any("folds" in name for name in found)
    assert "6 images are no fold of 1000" in caplog.text


def test_the_gallery_shows_the_best_answers_in_order() -> None:
    captions = [[f"text {i}"] for i in range(9)]
    scorer = Guessing()
    items = run(scorer, FakeReader(captions), gallery=2).gallery
    assert [item.task for item in items] == ["image_to_text"] * 2 + ["text_to_image"] * 2
    image = items[0].image
    assert isinstance(image, np.ndarray)
    number = int(image[0, 0, 2])
    best = sorted(range(9), key=lambda text: -scorer.value(number, f"text {text}"))[:5]
    assert [answer.label for answer in items[0].top] == [f"text {text}" for text in best]
    assert [answer.correct for answer in items[0].top] == [text == number for text in best]
    assert items[0].truth == [f"text {number}"]
    assert items[2].query is not None
    wanted = int(items[2].query.split()[-1])
    best = sorted(range(9), key=lambda image: -scorer.value(image, f"text {wanted}"))[:5]
    assert [answer.label for answer in items[2].top] == [f"key-{image}" for image in best]


def test_settings_are_part_of_the_protocol() -> None:
    reader = FakeReader(JUDGED, IDS)
    protocols = set()
    one, other = ({"key-0": {"c00": 1.0}}, {"key-0": {"c01": 1.0}})
    for settings_of in (
        {},
        {"prefix": "a photo of "},
        {"duplicates": "separate"},
        {"captions_per_image": 1},
        {"folds_of": 2},
        {"relevance": {"eccv": Relevance(one, {})}},
        {"relevance": {"eccv": Relevance(other, {})}},
    ):
        protocols.add(run(Guessing(), reader, **settings_of).records[0].protocol)
    assert len(protocols) == 7
