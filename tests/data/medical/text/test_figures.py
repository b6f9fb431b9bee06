"""Captions of figures: what is not in the picture goes, what is stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical import Exam
from concord.data.medical.text import Figures

EXAM = Exam("ROCO_90001.jpg", "PMC9000001")


def captions(text: str, **arguments: object) -> list[str]:
    return Figures(**arguments)(EXAM, {"caption": text}, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" Axial CT showing a splenic cyst.\n", "Axial CT showing a splenic cyst."),  # ROCO begins with a space
        ("Figure 3. Chest radiograph with a nodule.", "Chest radiograph with a nodule."),
        ("Fig. 2A: Chest radiograph with a nodule.", "Chest radiograph with a nodule."),
        ("FIGURE 2 – A 45-year-old man with cough.", "A 45-year-old man with cough."),
        ("Figure 2 A 45-year-old man with cough.", "A 45-year-old man with cough."),
        ("Supplementary Figure S4 (b). MRI of the knee.", "MRI of the knee."),
        ("Figs. 1 and 2. MRI of the knee.", "MRI of the knee."),
        ("(a) Axial CT of the liver. (B–D) Follow-up after surgery.", "Axial CT of the liver. Follow-up after surgery."),
        ("A: Axial CT of the liver; B: PET of the liver.", "Axial CT of the liver; PET of the liver."),
        ("A mass is seen in the left lobe (arrow) [3, 4-6].", "A mass is seen in the left lobe (arrow)."),
        ("A rare tumor of bone (Doe et al. 2001) in a child.", "A rare tumor of bone in a child."),
        ("A rare tumor of bone (Doe and Roe, 1999).", "A rare tumor of bone."),
        ("Nuclei are large. Reproduced with permission from Doe.", "Nuclei are large."),
        ("Nuclei are large. Copyright 2010 by the authors. Scale bar: 50 µm.", "Nuclei are large. Scale bar: 50 µm."),
        ("The data are at https://example.org/a.b and doi:10.1000/xyz here.", "The data are at and here."),
        ("Vitamin B deficiency, type A, in 5 of 7 (71%) cases.", "Vitamin B deficiency, type A, in 5 of 7 (71%) cases."),
        ("T2-weighted image (TR 500) at C5-6 level.", "T2-weighted image (TR 500) at C5-6 level."),
        ("Left kidney with a stone of 2.5 cm.", "Left kidney with a stone of 2.5 cm."),
    ],
)
def test_what_goes_and_what_stays(written: str, kept: str) -> None:
    assert captions(written, min_words=1) == [kept]


@pytest.mark.parametrize("empty", ["No caption found", "no caption found.", "nan", "", "  \n", "Figure 3.", "(a)", "Axial MRI", "[1]"])
def test_captions_that_say_nothing_are_none(empty: str) -> None:
    assert captions(empty) == []


def test_each_kind_of_text_is_asked_for_by_name() -> None:
    texts = {"caption": "Nests of dark cells.", "caption 2": "Small round blue cells.", "region": "the nests of cells"}
    assert Figures()(EXAM, texts, []) == ["Nests of dark cells.", "Small round blue cells."]
    assert Figures(fields=["region", "caption"])(EXAM, texts, [])[0] == "the nests of cells"
    assert Figures()(EXAM, {}, []) == []


def test_what_goes_is_a_choice() -> None:
    text = "Figure 1. (a) CT of a mass [3]. Copyright Doe."
    assert captions(text, drop=[]) == [text]
    assert captions(text, drop=["labels"]) == ["(a) CT of a mass [3]. Copyright Doe."]
    assert captions(text, drop=["permissions", "panels"]) == ["Figure 1. CT of a mass [3]."]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"drop": ["arrows"]}, "drop must be of labels, .*, got 'arrows'"), ({"min_words": 0}, "min_words must be at least 1, got 0")],
)
def test_arguments_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Figures(**arguments)  # type: ignore[arg-type]


PIECES = ["Figure 1", "(a)", "[2]", "http://a", "A: ", ". ", "mass", "(", ")", " ", "doi:10.1", "et al", "1999", "©", "\n", ","]


@settings(deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=20).map("".join)))
def test_wild_captions_give_no_error_and_no_empty_caption(text: str) -> None:
    for caption in captions(text, min_words=1):
        assert any(map(str.isalnum, caption))
        assert caption == " ".join(caption.split())


@pytest.mark.parametrize(
    "text", ["(" * 50_000, "( " * 50_000, "[1,2" * 25_000, "Figure 1 and 2" * 7_000, "A, " * 30_000, "(A" * 40_000, "www." * 25_000]
)
def test_long_captions_take_no_time(text: str) -> None:
    start = time.process_time()
    captions(text)
    assert time.process_time() - start < 5
