"""What may say who a patient is, in invented sentences."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical.text import alarms, alarms_in


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Seen on 12/03/2019.", "date"), ("on 2019-03-12 at noon", "date"), ("12.03.2019", "date"), ("3/4/19", "date"),
        ("March 12, 2019", "date"), ("12th of March 2019", "date"), ("12 Mar 2019", "date"),
        ("Call 555-123-4567.", "phone"), ("(555) 123-4567", "phone"), ("+1 555 123 4567", "phone"), ("pager 12345", "phone"),
        ("Dr. Doe was told.", "name"), ("DR. Jane Doe", "name"), ("Mrs Roe", "name"), ("read by Jane Q. Doe, MD", "name"),
        ("Professor Roe", "name"),
        ("MRN: 1234567", "number"), ("accession no. AB12345", "number"), ("patient 99999123 here", "number"),
        ("999-99-9999", "number"), ("write to jane.doe@example.org", "email"),
    ],
)  # fmt: skip
def test_each_kind_is_found(text: str, kind: str) -> None:
    assert alarms(text) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "Dr. ___ was paged at ___ on ___.", "A nodule of 2.5 x 3.1 cm at T4/5.", "Compared with XXXX.", "Scale 1/2, grade 3/4.",
        "12 mm in 2019.",
        "The DR films and MR imaging show no mass.", "Ratio 0.123456789 and 3.141592.", "Ms: a mass; Drusen are seen.",
        "mag 200000x", "In March 2019",
    ],
)  # fmt: skip
def test_reports_without_identifiers_raise_no_alarm(text: str) -> None:
    assert alarms(text) == {}


def test_counts_by_kind_and_never_the_text() -> None:
    text = "Dr. Doe and Dr. Roe on 12/03/2019, MRN 1234567."
    assert alarms(text) == {"date": 1, "name": 2, "number": 1}
    assert alarms_in([text, text, "Clear lungs.", "Mr. Doe"]) == {"date": 2, "name": 3, "number": 2}
    assert alarms_in([]) == {}


@given(st.one_of(st.text(max_size=100), st.text(st.sampled_from("0123456789/-. +()@aDr"), max_size=60)))
def test_any_text_is_counted(text: str) -> None:
    assert all(count > 0 for count in alarms(text).values())


@pytest.mark.parametrize(
    "text", ["1" * 100_000, "1-" * 50_000, "a@" * 50_000, "Dr " * 30_000, "(555) " * 20_000, "A. " * 30_000, "a" * 100_000]
)
def test_long_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    alarms(text)
    assert time.process_time() - start < 3
