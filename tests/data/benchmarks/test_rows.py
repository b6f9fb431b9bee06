from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import Storage
from concord.data.benchmarks import rows as rows_of
from concord.data.benchmarks.compositional import CrepeProductivity, SugarCrepe
from concord.data.benchmarks.rows import Row, csv_rows, json_lines, json_list, json_object, json_table, json_tuples
from concord.errors import DataError
from tests.data.benchmarks import compositional_fixtures as fixtures
from tests.data.readers.annotations import attempt, damaged

STORAGE = Storage()
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(lambda text: text.strip() == text)
MANY = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("ask", "value", "message"),
    [
        (lambda row: row.text("a"), 3, "'a' must be text, got 3"),
        (lambda row: row.text("a"), " \n", r"'a' must be text, got ' \\n'"),
        (lambda row: row.text("a"), "half \ud800", "'a' is not UTF-8"),
        (lambda row: row.text("A"), "x", "'A' is missing; valid: a"),
        (lambda row: row.texts("a"), ["x", None], "'a' must be text, got None"),
        (lambda row: row.texts("a"), "x", "'a' must be a list, got 'x'"),
        (lambda row: row.name("a"), True, "'a' must be text, got True"),
        (lambda row: row.number("a"), "ten", "'a' must be a number, got 'ten'"),
        (lambda row: row.number("a"), "nan", "'a' must be a number, got 'nan'"),
        (lambda row: row.number("a"), True, "'a' must be a number, got True"),
        (lambda row: row.number("a"), 10**400, "'a' must be a number, got 1000"),
        (lambda row: row.index("a", 4), 4, r"'a' must be a whole number in \[0, 3\], got 4"),
        (lambda row: row.index("a", 4), 0.5, r"'a' must be a whole number in \[0, 3\], got 0.5"),
        (lambda row: row.one_of("a", ("subject", "verb")), "verbs", "'a' is 'verbs'; did you mean verb"),
        (lambda row: row.flag("a"), "1", "'a' must be True or False, got '1'"),
        (lambda row: row.literal("a"), "(1, 2)", "'a' must be a list as Python writes it"),
        (lambda row: row.literal("a"), "['dog's']", "'a' must be a list as Python writes it"),
        (lambda row: row.literal("a"), "__import__('os').getcwd()", "'a' must be a list as Python writes it"),
        (lambda row: row.literal("a"), "[" * 5000, "'a' must be a list as Python writes it"),
        (lambda row: row.inner("a"), [1], r"'a' must be an object, got \[1\]"),
    ],
)
def test_a_value_that_does_not_fit_is_named(ask: Callable[[Row], Any], value: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^file.json, row 3: {message}") as refused:
        ask(Row("file.json, row 3", {"a": value}))
    assert "\n" not in str(refused.value)


def test_long_lists_in_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("here", {"a": str(["x" * 10])})
    assert row.literal("a").texts("a") == ["x" * 10]
    monkeypatch.setattr(rows_of, "LONGEST_LITERAL", 10)
    with pytest.raises(DataError, match="'a' must be a list as Python writes it"):
        row.literal("a")


def test_values_are_read_in_the_forms_that_files_have() -> None:
    row = Row("here", {"text": " a dog ", "id": 7, "number": "12", "flag": "FALSE", "list": '["it\'s", "on"]'})
    assert (row.text("text"), row.name("id"), row.name("number")) == ("a dog", "7", "12")
    assert (row.number("number"), row.index("number", 13), row.flag("flag")) == (12.0, 12, False)
    assert row.literal("list").texts("list") == ["it's", "on"]


def pairs(storage: Storage, file: str) -> Iterator[Row]:
    return json_tuples(storage, file, ("image", "text"))


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (json_list, '{"a": 1}', "file: expected a JSON list, got dict"),
        (json_list, "[1]", r"file\[0\]: expected a JSON object, got int"),
        (json_list, '[{"a": 1}', "file is not JSON: .*; is it complete?"),
        (json_table, '{"a": 1}', "file: 'a': expected a JSON object, got int"),
        (json_object, "[]", "file: expected a JSON object, got list"),
        (json_lines, '{"a": 1}\n\n{"a"', "file, line 3 is not JSON"),
        (json_lines, "[1]", "file, line 1: expected a JSON object, got list"),
        (
            pairs,
            '[["a"]]',
            r"file\[0\]: expected a list of image, text, got 1 values",
        ),
        (pairs, "[1]", r"file\[0\]: expected a list of image, text, got int"),
    ],
)
def test_json_of_another_form_is_named(tmp_path: Path, read: Callable[..., Any], content: str, message: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(DataError, match=message):
        list(read(STORAGE, str(tmp_path / "file")) if read is not json_object else read(STORAGE, str(tmp_path / "file")).cells)


def test_a_csv_without_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sentence,image\nA dog,1\n")
    with pytest.raises(DataError, match=r"rows.csv: no column 'sentences' \(expected\); did you mean sentence"):
        list(csv_rows(STORAGE, str(tmp_path / "rows.csv"), ["image", "sentences"]))


def test_a_csv_with_a_row_of_too_many_cells_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sentence,image\nA dog, running,1\n")
    with pytest.raises(DataError, match=r"rows\.csv cannot be read: row 2 has 3 cells, the header 2"):
        list(csv_rows(STORAGE, str(tmp_path / "rows.csv"), ["image"]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"add_att\.json: file not found"):
        SugarCrepe(str(tmp_path))


@MANY
@given(st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=4)), min_size=1, max_size=5))
def test_captions_and_lists_of_any_letters_come_back(tmp_path: Path, captions: list[tuple[str, list[str]]]) -> None:
    """As pandas writes them: quotes, apostrophes, commas and `.jpg` inside of a cell change nothing."""
    box = {"x": 0, "y": 0, "width": 5, "height": 5}
    rows = [{"image_id": 100, "caption": caption, **box, "hard_negs": str(wrong)} for caption, wrong in captions]
    fixtures.write_csv(tmp_path / "atom/prod_vg_hard_negs_atom_complexity_4.csv", rows)
    fixtures.write_photographs(tmp_path, ["VG_100K/100.jpg"])
    test = CrepeProductivity(str(tmp_path), negatives=["atom"], complexities=[4])
    assert [item.texts for item in test.items] == [(caption, *wrong) for caption, wrong in captions]


@MANY
@given(st.text(max_size=40))
def test_any_cell_is_a_list_or_refused(cell: str) -> None:
    texts, reason = attempt(lambda: Row("here", {"a": cell}).literal("a").texts("a"))
    if texts is None:
        assert reason.startswith("here: 'a' ")
        assert "\n" not in reason
    else:
        assert all(isinstance(text, str) for text in texts)


@MANY
@given(st.data())
def test_damaged_annotations_are_read_or_refused_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    questions = {str(n): {"filename": "1.jpg", "caption": f"A dog {n}.", "negative_caption": "A cat."} for n in range(2)}
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data/add_att.json").write_bytes(data.draw(damaged(questions)))
    fixtures.write_images(tmp_path / "val2017", ["1.jpg"])
    test, reason = attempt(lambda: SugarCrepe(str(tmp_path), subsets=["add_att"]))
    assert "\n" not in reason
    if test is not None:
        assert all(len(item.texts) == 2 for item in test.items)


def test_a_csv_written_by_python_is_read_cell_by_cell(tmp_path: Path) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["path", "caption"], ["a,b.jpg", 'a "dog", here.jpg\nand there']])
    (tmp_path / "rows.csv").write_text(buffer.getvalue(), newline="")
    assert next(csv_rows(STORAGE, str(tmp_path / "rows.csv"), ["caption"])).text("caption") == 'a "dog", here.jpg\nand there'


def test_json_text_with_half_a_letter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(json.dumps([{"caption": "\ud83d"}]))
    with pytest.raises(DataError, match=r"file\[0\]: 'caption' is not UTF-8"):
        next(json_list(STORAGE, str(tmp_path / "file"))).text("caption")
