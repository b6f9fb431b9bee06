from __future__ import annotations

import re
from typing import get_args

import pytest

from concord.data.medical.modalities import MODALITIES, Change, modality_named
from concord.errors import ConfigError


def test_the_list_is_closed_and_every_key_finds_its_own() -> None:
    expected = [
        "radiograph",
        "mammograph",
        "ct",
        "mri",
        "ultrasound",
        "fundus",
        "oct",
        "histology",
        "dermoscopy",
        "endoscopy",
        "microscopy",
        "figure",
    ]
    assert list(MODALITIES) == expected
    assert all(modality_named(key).key == key for key in expected)


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown modality 'histolgy'; did you mean histology"):
        modality_named("histolgy")


@pytest.mark.parametrize("key", MODALITIES)
def test_words_and_reasons_read_on_in_a_sentence(key: str) -> None:
    modality = MODALITIES[key]
    assert len(set(modality.words)) == len(modality.words) >= 2
    assert not any(re.match(r"(an?|the)\s", word) or word != word.strip() for word in modality.words)
    assert set(modality.limits) <= set(get_args(Change))
    for limit in modality.limits.values():
        assert limit.most >= 0
        assert re.fullmatch(r"\S.*[^.\s]", limit.why)


def test_no_two_modalities_share_their_first_word() -> None:
    assert len({modality.words[0] for modality in MODALITIES.values()}) == len(MODALITIES)


@pytest.mark.parametrize("key", MODALITIES)
def test_where_left_and_right_carry_meaning_no_flip_is_allowed(key: str) -> None:
    modality = MODALITIES[key]
    limited = "horizontal flip" in modality.limits
    assert limited == modality.sided
    assert not limited or modality.limits["horizontal flip"].most == 0
