"""Findings by column: what uncertain and empty cells count as."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical.exams import UNKNOWN
from concord.data.medical.layouts import Findings
from concord.errors import DataError
from tests.data.medical.layouts.files import FIVE

GLORIA: dict[str, Any] = {
    "Atelectasis": "positive",
    "Cardiomegaly": "negative",
    "Consolidation": "negative",
    "Edema": "positive",
    "Pleural Effusion": "positive",
}


@pytest.mark.parametrize(
    ("uncertain", "blank", "expected"),
    [
        ("unknown", "unknown", (1, 0, UNKNOWN, UNKNOWN)),
        ("positive", "unknown", (1, 0, 1, UNKNOWN)),
        ("negative", "unknown", (1, 0, 0, UNKNOWN)),
        ("unknown", "negative", (1, 0, UNKNOWN, 0)),
        ("positive", "negative", (1, 0, 1, 0)),
        ("negative", "positive", (1, 0, 0, 1)),
    ],
)
def test_policies(uncertain: Any, blank: Any, expected: tuple[int, ...]) -> None:
    findings = Findings(["a", "b", "c", "d"], uncertain=uncertain, blank=blank)
    assert findings.of({"a": "1.0", "b": "0.0", "c": "-1.0", "d": ""}, "list.csv") == expected
    assert findings.of({"a": 1, "b": 0.0, "c": -1.0, "d": None}, "list.json") == expected
    assert findings.of({"a": True, "b": "False", "c": b"-1", "d": math.nan}, "list.csv") == expected


def test_the_mixed_policy_of_gloria() -> None:
    findings = Findings(FIVE, uncertain=GLORIA, blank="negative")
    assert findings.of(dict.fromkeys(FIVE, "-1.0"), "list.csv") == (1, 0, 0, 1, 1)
    assert findings.of(dict.fromkeys(FIVE, ""), "list.csv") == (0,) * 5


def test_a_policy_by_column_leaves_the_others_unknown() -> None:
    assert Findings(["a", "b"], uncertain={"b": "positive"}).of({"a": "-1", "b": "-1"}, "list.csv") == (UNKNOWN, 1)


def test_names_of_classes() -> None:
    assert Findings(["Pleural Effusion", "Lung_Opacity"]).class_names == ["pleural effusion", "lung opacity"]
    assert Findings(["Edema"], ["pulmonary edema"]).class_names == ["pulmonary edema"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": []}, "columns must name at least one finding"),
        ({"columns": ["a"], "class_names": ["b", "c"]}, "class_names must be as many as columns, 1, got 2"),
        ({"columns": ["a"], "uncertain": {"b": "positive"}}, "uncertain must be by column, among a, got b"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Findings(**arguments)


@given(st.text())
def test_any_other_cell_is_refused_and_not_told(text: str) -> None:
    try:
        found: Any = Findings(["a"]).of({"a": text}, "list.csv")
    except DataError as error:
        found = str(error)
    assert found in [(0,), (1,), (UNKNOWN,), "list.csv, column a: a finding must be 1, 0, -1 or empty, and one is not"]
