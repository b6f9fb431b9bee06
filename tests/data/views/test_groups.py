"""What of a batch belongs together."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
import torch

from concord.data import Augmentation
from concord.data.views import Views
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Batch, ImageView, Pair, TextView

NORMAL = "The heart is normal. The lungs are clear."


@pytest.fixture(scope="module")
def views() -> Views:
    tokenizer = BPETokenizer(vocab_size=300, context_length=24).train([NORMAL, "a mass of the left lung"])
    texts = {"caption": TextView("caption"), "sentences": TextView("sentence", count=2)}
    return Views({"image": ImageView("plain")}, texts, {"plain": Augmentation()}, Preprocess(8), tokenizer)


def pair(caption: str, key: str, source: str = "chest", study: str | int | None = None) -> Pair:
    known = {} if study is None else {"study_id": study}
    return Pair(np.zeros((8, 8, 3), dtype=np.uint8), (caption,), key, source, known)


def groups(views: Views, *pairs: Pair) -> dict[str, torch.Tensor]:
    return views.collate([views.example(one, 0, index) for index, one in enumerate(pairs)]).groups


def number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") // 2


def test_texts_are_compared_without_capitals_punctuation_and_spaces(views: Views) -> None:
    captions = [NORMAL, " the HEART is normal; the  lungs are clear", "The heart is not normal. The lungs are clear.", "Ünknown"]
    numbers = groups(views, *(pair(caption, str(index)) for index, caption in enumerate(captions)))["caption"]
    assert numbers.dtype == torch.int64
    assert [numbers.tolist().index(number) for number in numbers.tolist()] == [0, 0, 2, 3]
    assert (numbers >= 0).all()


def test_each_text_of_a_view_has_its_number(views: Views) -> None:
    made = groups(views, pair(NORMAL, "a"), pair(NORMAL, "b"))
    assert made["caption"].shape == (2,)
    assert made["sentences"].shape == (2, 2)
    assert len(set(made["sentences"].flatten().tolist())) == 2  # there are two sentences
    assert set(made["sentences"][0].tolist()) == set(made["sentences"][1].tolist())


def test_pictures_of_a_study_belong_together_within_their_source(views: Views) -> None:
    pairs = [
        pair("a", "1", study="s1"),
        pair("b", "2", study="s1"),
        pair("c", "3", study="s2"),
        pair("d", "4", source="other", study="s1"),
        pair("e", "s1"),  # a picture that is in no study, and has the name of one
        pair("f", "s1"),  # the same once more, as in small data
        pair("g", "5", study=7),
        pair("h", "6", study=7),
    ]
    study = groups(views, *pairs)["study"].tolist()
    assert [study.index(number) for number in study] == [0, 0, 2, 3, 4, 4, 6, 6]


def test_numbers_are_the_same_on_every_machine(views: Views) -> None:
    made = groups(views, pair(NORMAL, "a", study="s1"))
    assert made["study"].tolist() == [number("chest/study s1")]
    assert made["caption"].tolist() == [number("the heart is normal the lungs are clear")]


def test_groups_travel_with_the_batch(views: Views) -> None:
    batch: Batch = views.collate([views.example(pair("a", "1"), 0, 0)]).to("cpu")
    assert set(batch.groups) == {"study", "caption", "sentences"}
