"""Sections of reports in the manner of MIMIC-CXR: worked answers after the rules of the software that comes with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical.text.sections import (
    after_impression,
    conclusion,
    name_of,
    read_any_layout,
    read_sections,
    split_sections,
    without_addenda,
    without_hand_work,
)
from concord.vocabularies import report_words

REPORT = (
    " FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___F with cough\n \n FINDINGS: \n \n The heart is mildly\n"
    " enlarged.\n \n IMPRESSION: \n \n Mild cardiomegaly.\n"
)
MISNAMED = {str(study): name for name, studies in report_words()["misnamed"].items() for study in studies}
SPANS = {str(study): span for study, span in report_words()["spans"].items()}
SILENT = [str(study) for study in report_words()["silent"]]


def test_a_report_has_its_sections_in_order() -> None:
    assert split_sections(REPORT) == [
        ("preamble", " FINAL REPORT\n "),
        ("examination", " CHEST (PA AND LAT)\n "),
        ("indication", " ___F with cough\n "),
        ("findings", "\n \n The heart is mildly\n enlarged.\n "),
        ("impression", "\n \n Mild cardiomegaly.\n"),
    ]
    assert conclusion(REPORT) == "Mild cardiomegaly."


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("IMPRESSION", "impression"), ("CONCLUSION", "impression"), ("FINDINGS AND IMPRESSION", "impression"), ("IMPRESSON", "impression"),
        ("IMOPRESSION", "imopression"), ("NDICATION", "impression"), ("FINDINDGS", "findings"), ("REASON FOR EXAM", "indication"),
        ("COMPARISONS", "comparison"), ("COMPARISION", "comparison"), ("PFI", "history"), ("WET READ", "wet read"), ("WETREAD", "wet read"),
        ("RECOMMENDATION(S)", "recommendations"), ("CHEST, TWO VIEWS", "findings"), ("PORTABLE AP FILM", "findings"),
        ("FRONTAL AND LATERAL VIEWS", "findings"), ("ADDENDUM TO REPORT", "addendum"), ("BRIEF HISTORY", "history"),
        ("PRELIMINARY IMPRESSION", "impression"), (" TECHNIQUE ", "technique"), ("NOTE", "note"),
    ],
)  # fmt: skip
def test_headings_stand_for_sections(heading: str, name: str) -> None:
    assert name_of(heading) == name


def test_the_best_section_is_the_conclusion_and_the_last_of_its_name() -> None:
    parts = {
        "comparison": "\n COMPARISON:  Prior film.\n ",
        "findings": "\n CHEST, PA AND LATERAL:\n \n Clear lungs.\n ",
        "impression": "\n IMPRESSION:  Old.\n \n IMPRESION:  No disease.\n ",
    }
    assert conclusion("".join(parts.values())) == "No disease."
    assert conclusion(parts["comparison"] + parts["findings"]) == "Clear lungs."
    assert conclusion(parts["comparison"]) == "Prior film."
    assert conclusion("Nothing that is laid out.") == ""


def test_an_empty_impression_gives_way_to_findings() -> None:
    report = "\n FINDINGS: \n \n Small effusion.\n \n IMPRESSION: \n \n"
    assert [section.name for section in split_sections(report)] == ["preamble", "findings"]
    assert conclusion(report) == "Small effusion."


def test_a_heading_like_a_title_is_no_section_of_its_own() -> None:
    assert conclusion("\n CHEST, PA LATERAL:\n \n INDICATION:   Cough.\n \n FINDINGS:  Clear.") == "Clear."


def test_without_both_the_last_paragraph_is_it() -> None:
    report = "\n HISTORY:  Cough.\n \n COMPARISON:  None.\n \n The lungs are clear.\n \n The heart is normal.\n"
    assert split_sections(report)[-2:] == [
        ("comparison", " None."),
        ("last_paragraph", " The lungs are clear.\n \n The heart is normal.\n"),
    ]
    assert conclusion(report) == "The lungs are clear.\n \n The heart is normal."


def test_addenda_on_top_are_another_report() -> None:
    addendum = " ADDENDUM\n \n IMPRESSION:  A nodule was overlooked.\n " + "_" * 78 + "\n"
    assert without_addenda(addendum + REPORT).strip() == REPORT.strip()
    assert without_addenda(REPORT) == REPORT
    assert without_addenda("_" * 40) == "_" * 40
    assert conclusion(addendum + REPORT) == "Mild cardiomegaly."


def test_studies_that_were_looked_at_by_hand() -> None:
    assert (len(MISNAMED), len(SPANS), len(SILENT)) == (23, 23, 8)
    text = "".join(chr(ord("a") + place % 26) for place in range(1000))
    for study, (first, stop) in SPANS.items():
        assert conclusion(text, f"s{study}") == text[first:stop] != ""
    assert all(read_sections(REPORT, study) == {} for study in SILENT)
    for study, name in MISNAMED.items():
        report = f"{REPORT}\n {name.upper()}:  It is here.\n"
        assert conclusion(report, study) == "It is here."
        assert conclusion(report) == "Mild cardiomegaly."
        assert without_hand_work(report, study) == {}
    absent = next(study for study, name in MISNAMED.items() if name == "recommendations")
    assert conclusion(REPORT, absent) == "Mild cardiomegaly."


def test_line_ends_of_any_kind_do_not_move_spans() -> None:
    study, (first, stop) = next(iter(SPANS.items()))
    text = "ab cd\n" * 400
    assert conclusion(text.replace("\n", "\r\n"), study) == text[first:stop]


def test_lines_that_are_not_indented_are_read_where_asked() -> None:
    report = "EXAMINATION: chest\nFINDINGS: Clear lungs.\nHeart normal.\nIMPRESSION: No disease."
    assert read_any_layout(report) == {
        "preamble": "",
        "examination": "chest",
        "findings": "Clear lungs.\n Heart normal.",
        "impression": "No disease.",
    }
    assert read_any_layout(REPORT)["impression"] == "Mild cardiomegaly."


def test_chexzero_takes_the_last_impression_up_to_recommendations() -> None:
    report = "IMPRESSION: old FINDINGS: x\n IMPRESSION:\n Clear lungs.\n RECOMMENDATION(S): CT. NOTIFICATION: told"
    assert after_impression(report)["impression"].split() == ["Clear", "lungs."]
    assert after_impression("FINDINGS: clear. NOIMPRESSION: x") == {}


@given(st.text(st.sampled_from("\n \tIMPRESON:FDG().,_aé1"), max_size=120), st.sampled_from(["", *SPANS, *MISNAMED, *SILENT]))
def test_any_text_is_a_report(text: str, study: str) -> None:
    for read in (read_sections, read_any_layout, without_hand_work, after_impression):
        assert all(isinstance(value, str) for value in read(text, study).values())
    assert conclusion(text) in text or "\r" in text
    assert without_addenda(text) in text


@pytest.mark.parametrize("text", ["\n " + "A" * 200_000, "\n A:\n" * 40_000, "\n \n" * 60_000, "_" * 200_000])
def test_long_reports_take_no_time(text: str) -> None:
    start = time.process_time()
    split_sections(text), without_addenda(text), after_impression(text)
    assert time.process_time() - start < 3
