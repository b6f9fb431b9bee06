from __future__ import annotations

import sys
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import MissingExtraError
from concord.perturbations import aro_shuffles, changed, shuffle_trigrams, shuffle_within_trigrams, shuffle_words, spacy_tagger, tokens_of

CAPTIONS = st.lists(st.sampled_from(["a", "dog", "dog's", "x-ray", "runs", ",", ".", "Mat", "on"]), max_size=12).map(" ".join)
TAGS = {"red": "JJ", "big": "JJ", "dog": "NN", "cats": "NNS", "sofa": "NN"}


def tagger(caption: str) -> list[tuple[str, str]]:
    return [(token, TAGS.get(token, "X")) for token in tokens_of(caption)]


def trigrams(tokens: Sequence[str]) -> list[list[str]]:
    return [sorted(tokens[start : start + 3]) for start in range(0, len(tokens), 3)]


@given(CAPTIONS, st.integers())
def test_shuffles_keep_the_tokens_and_depend_on_the_seed_alone(caption: str, seed: int) -> None:
    for shuffle in (shuffle_words, *aro_shuffles(tagger).values()):
        text = shuffle(caption, Random(seed))
        assert text == shuffle(caption, Random(seed))
        assert sorted(tokens_of(text)) == sorted(tokens_of(caption))


@given(CAPTIONS, st.integers())
def test_words_stay_within_their_three_or_threes_stay_whole(caption: str, seed: int) -> None:
    tokens = tokens_of(caption)
    assert trigrams(tokens_of(shuffle_within_trigrams(caption, Random(seed)))) == trigrams(tokens)
    shuffled = tokens_of(shuffle_trigrams(caption, Random(seed)))
    wholes = [" ".join(tokens[start : start + 3]) for start in range(0, len(tokens), 3)]
    assert all(whole in " ".join(shuffled) for whole in wholes)


def test_parts_of_speech_change_places_among_themselves() -> None:
    caption = "a big dog and two red cats on the sofa"
    shuffles = aro_shuffles(tagger)
    assert list(shuffles) == ["nouns_and_adjectives", "other_words", "within_trigrams", "trigrams"]
    nouns = [tokens_of(shuffles["nouns_and_adjectives"](caption, Random(seed))) for seed in range(20)]
    others = [tokens_of(shuffles["other_words"](caption, Random(seed))) for seed in range(20)]
    for tokens in nouns:
        assert [TAGS.get(token, token)[:2] for token in tokens] == [TAGS.get(token, token)[:2] for token in caption.split()]
    for tokens in others:
        assert [tokens[place] for place in (1, 2, 5, 6, 9)] == ["big", "dog", "red", "cats", "sofa"]
    assert len(set(map(tuple, nouns))) > 5
    assert len(set(map(tuple, others))) > 5


def test_without_a_tagger_there_are_two() -> None:
    assert list(aro_shuffles()) == ["within_trigrams", "trigrams"]


def test_a_change_is_a_change() -> None:
    assert changed(shuffle_words, "dog dog", Random(0)) is None
    assert changed(shuffle_trigrams, "a dog runs", Random(0)) is None
    for seed in range(20):
        assert changed(shuffle_words, "A dog", Random(seed)) == "dog A"


def test_spacy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"concord\[spacy\]"):
        spacy_tagger()
