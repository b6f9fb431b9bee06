"""Captions from reports: each pipeline's way, cleaning, and what must never be lost or made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical import Exam
from concord.data.medical.text import Reports
from concord.data.medical.text.cleaning import is_comparison, is_notification, report_sentences, without_masks
from concord.data.medical.text.policies import PolicyName
from concord.vocabularies import report_words

EXAM = Exam("files/picture.jpg", "10000099", "50000111")
REPORT = (
    " FINAL REPORT\n INDICATION:  ___-year-old with cough\n \n FINDINGS: \n \n The heart is mildly enlarged, approx. 2.5 cm more\n"
    " than expected.  No effusion.\n \n IMPRESSION: \n \n 1.  Mild cardiomegaly\n 2.  No pneumothorax.  Dr. ___ was paged at ___ on ___.\n"
)
POLICIES = get_args(PolicyName)


def captions(texts: Mapping[str, str] | str, **arguments: object) -> list[str]:
    return Reports(**arguments)(EXAM, {"report": texts} if isinstance(texts, str) else texts, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("mimic_cxr", ["Mild cardiomegaly. No pneumothorax."]),
        ("chexzero", ["Mild cardiomegaly. No pneumothorax."]),
        ("convirt", ["The heart is mildly enlarged, approx. 2.5 cm more than expected."]),
        ("gloria", ["mild cardiomegaly", "no pneumothorax"]),
        ("medclip", ["the heart is mildly enlarged , approx . 2 . 5 cm more than expected ."]),
        ("prior", ["The heart is mildly enlarged, approx. 2.5 cm more than expected. No effusion. Mild cardiomegaly. No pneumothorax."]),
    ],
)
def test_each_pipeline_reads_a_report_its_way(policy: str, expected: list[str]) -> None:
    assert captions(REPORT, policy=policy) == expected


def test_sections_may_be_chosen_joined_and_ordered() -> None:
    assert captions(REPORT, sections=[["impression"]]) == captions(REPORT)
    joined = "Mild cardiomegaly. No pneumothorax. The heart is mildly enlarged, approx. 2.5 cm more than expected. No effusion."
    assert captions(REPORT, sections=[["impression", "findings"]]) == [joined]
    assert captions(REPORT, sections=[["conclusion"], ["findings"]])[0].startswith("The heart")
    assert captions(REPORT, sections=[["conclusion"]]) == []


def test_texts_that_are_sections_are_taken_as_they_are() -> None:
    texts = {"findings": "Heart size normal. XXXX are clear.", "impression": "No acute disease.", "comparison": ""}
    assert captions(texts) == ["No acute disease."]
    assert captions({**texts, "impression": ""}) == ["Heart size normal. are clear."]
    assert captions({**texts, "impression": "", "findings": ""}) == []
    assert captions({"report": REPORT, "impression": "Another one is given."}) == ["Another one is given."]


@pytest.mark.parametrize("nothing", ["NO IMPRESSION", " no impression. ", "nan", "___", "Not given.", "."])
@pytest.mark.parametrize("policy", POLICIES)
def test_what_stands_for_a_missing_section_is_no_caption(nothing: str, policy: str) -> None:
    assert captions({"impression": nothing}, policy=policy, min_words=1, min_sentences=1) == []
    found = captions({"impression": nothing, "findings": "The lungs are clear on both sides."}, sections=[["impression"], ["findings"]])
    assert found == ["The lungs are clear on both sides."]


def test_masks_are_taken_out_or_stand_as_one_token() -> None:
    assert without_masks("Compared to ___ ___, the ___-year-old (___) has XXXX XXXX.") == "Compared to, the year-old has."
    assert without_masks("Seen by ___ and XXXX.", "[MASK]") == "Seen by [MASK] and [MASK]."
    assert without_masks("a snake_case 2.5 cm") == "a snake_case 2.5 cm"
    assert captions({"impression": "___ placement of a line by _____ ___ today."}, mask="[MASK]") == [
        "[MASK] placement of a line by [MASK] today."
    ]
    assert "_" not in captions(REPORT, sections=[["indication"]])[0]


def test_notifications_go_and_comparisons_only_where_asked() -> None:
    told = ["Dr. ___ was telephoned at 5 pm.", "Findings were discussed with the team.", "Communicated by phone.", "Electronically signed."]
    assert all(map(is_notification, told))
    seen = ["No change in the heart.", "Unchanged small effusion.", "New opacity.", "Edema has improved.", "Again a nodule."]
    assert all(map(is_comparison, seen))
    assert not any(map(is_notification, [*seen, "The doctor sees DR films.", "Lungs are clear."]))
    assert not any(map(is_comparison, ["Degenerative changes of the spine.", "Renewed bone.", "Lungs are clear."]))
    text = {"impression": f"{told[0]} Small effusion on the left. {seen[1]}"}
    assert captions(text) == ["Small effusion on the left. Unchanged small effusion."]
    assert captions(text, drop=["comparisons", "notifications"]) == ["Small effusion on the left."]
    assert captions(text, drop=[])[0].startswith("Dr. was telephoned")


def test_addenda_are_left_out_unless_asked_for() -> None:
    report = " ADDENDUM\n \n IMPRESSION:  An overlooked nodule is there.\n " + "_" * 70 + "\n \n FINDINGS:  The lungs are clear.\n"
    assert captions(report) == ["The lungs are clear."]
    assert "overlooked" in captions(report, drop=[])[0]


def test_spans_found_by_hand_count_from_the_first_character_of_the_file() -> None:
    study, (first, stop) = next(iter(report_words()["spans"].items()))
    report = "\n " + "_" * 40 + "\n" + "a word or two " * 100
    exam = Exam("a.jpg", "10000099", f"s{study}")
    assert Reports()(exam, {"report": report}, []) == [" ".join(report[first:stop].split())]


def test_lists_are_taken_apart_and_wrapped_lines_joined() -> None:
    assert report_sentences("1. Mild edema\n 2. No\n mass. Clear apices\n \n 3) Fracture of rib 7. No more") == [
        "Mild edema",
        "No mass.",
        "Clear apices",
        "Fracture of rib 7.",
        "No more",
    ]
    assert report_sentences("Grade 1. No mass 2. Other") == ["Grade 1.", "No mass 2.", "Other"]
    assert report_sentences("Impression: 1. Edema; 2. Mass") == ["Impression:", "Edema;", "Mass"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("unit", ["report", "sentences"])
def test_what_is_denied_stays_denied(policy: str, unit: str) -> None:
    denials = [
        "There is no focal consolidation.",
        "Lungs without any effusion today.",
        "Edema is not seen here.",
        "Never any pneumothorax seen.",
    ]
    found = " ".join(captions({"impression": " ".join(denials)}, policy=policy, unit=unit)).lower()
    for sentence in denials:
        assert sentence.lower().rstrip(".") in found


def test_least_words_and_sentences() -> None:
    texts = {"impression": "Clear. Small effusion. The heart is large."}
    assert captions(texts, unit="sentences") == ["The heart is large."]
    assert captions(texts, unit="sentences", min_words=1) == ["Clear.", "Small effusion.", "The heart is large."]
    assert captions(texts, min_sentences=3) == ["Clear. Small effusion. The heart is large."]
    assert captions(texts, min_sentences=4) == []
    assert captions({"impression": "Clear. Clear. Clear lungs again here."}, unit="sentences", min_words=1) == [
        "Clear.",
        "Clear lungs again here.",
    ]


def test_only_gloria_and_medclip_change_the_letters() -> None:
    texts = {"impression": "The Heart’s border (CTR 0.55) is NOT sharp at all."}
    for policy in POLICIES:
        found = captions(texts, policy=policy, min_sentences=1)[0]
        assert (found != found.lower()) == (policy not in ("gloria", "medclip"))
    assert captions(texts, policy="gloria") == ["the hearts border ctr 0 55 is not sharp at all"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "biovil"}, "policy must be of mimic_cxr, .*, got 'biovil'"),
        ({"unit": "words"}, "unit must be of report, sentences, got 'words'"),
        ({"sections": []}, "sections must hold lists of names"),
        ({"sections": [[]]}, "sections must hold lists of names"),
        ({"min_words": 0}, "min_words must be at least 1, got 0"),
        ({"min_sentences": 0}, "min_sentences must be at least 1, got 0"),
        ({"drop": ["names"]}, "drop must be of addenda, notifications, comparisons, got 'names'"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reports(**arguments)  # type: ignore[arg-type]


PIECES = [
    "\n ",
    "\n \n ",
    "FINDINGS:",
    "IMPRESSION: ",
    "___",
    "XXXX",
    "1. ",
    "2) ",
    "Dr. ",
    "clear lungs",
    ".",
    " ",
    "\x00",
    "_" * 30 + "\n",
    "é",
]
WILD = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@settings(deadline=None)
@given(WILD, WILD, st.sampled_from(POLICIES), st.sampled_from(["report", "sentences"]), st.sampled_from([None, "[MASK]"]))
def test_wild_reports_give_no_error_and_no_empty_caption(report: str, findings: str, policy: str, unit: str, mask: str | None) -> None:
    for texts in ({"report": report}, {"report": report, "findings": findings}, {"impression": findings}):
        found = captions(texts, policy=policy, unit=unit, mask=mask, min_words=1, min_sentences=1, drop=["notifications"])
        assert found == captions(texts, policy=policy, unit=unit, mask=mask, min_words=1, min_sentences=1, drop=["notifications"])
        for caption in found:
            assert any(map(str.isalnum, caption))
            assert caption == caption.strip()
            assert "\n" not in caption
            assert "__" not in caption


@pytest.mark.parametrize(
    "text", ["_" * 100_000, "___ " * 25_000, "1. a " * 20_000, "no mass. " * 10_000, "( " * 50_000, "IMPRESSION: " * 9_000]
)
def test_long_reports_take_no_time(text: str) -> None:
    start = time.process_time()
    captions({"impression": text}), captions(text)
    assert time.process_time() - start < 5
