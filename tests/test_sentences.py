"""Where sentences end: abbreviations, measures and the numbers of lists among them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Seen with Dr. Doe. No mass.", ["Seen with Dr. Doe.", "No mass."]),
        ("A nodule of approx. 2.5 cm. No effusion.", ["A nodule of approx. 2.5 cm.", "No effusion."]),
        ("Edema vs. pneumonia, e.g. viral. Clear apices.", ["Edema vs. pneumonia, e.g. viral.", "Clear apices."]),
        ("1. Mild edema. 2. No mass.", ["1. Mild edema.", "2. No mass."]),
        ("See Fig. 2 and Figs. 3. Described by Doe et al. as rare.", ["See Fig. 2 and Figs. 3.", "Described by Doe et al. as rare."]),
        ("Fracture of rib 7. No mass.", ["Fracture of rib 7.", "No mass."]),
        ("Series no. 4 was read. Is it there? No. Good.", ["Series no. 4 was read.", "Is it there?", "No.", "Good."]),
        ("Lungs are clear in PA view. Heart in CT.", ["Lungs are clear in PA view.", "Heart in CT."]),
        ("肺は明瞭。心臓は正常。", ["肺は明瞭。", "心臓は正常。"]),
        ("one line\nanother vs.\nlast", ["one line", "another vs.", "last"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(st.sampled_from("aD. \n1;r?"), max_size=40))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    assert re.sub(r"\s", "", "".join(split_sentences(text))) == re.sub(r"\s", "", text)
    assert all(sentence == sentence.strip() != "" for sentence in split_sentences(text))


@pytest.mark.parametrize("text", ["Dr. " * 25_000, "1. " * 30_000, "a" + " " * 100_000, "vs.   \t" * 15_000])
def test_long_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    split_sentences(text)
    assert time.process_time() - start < 2
