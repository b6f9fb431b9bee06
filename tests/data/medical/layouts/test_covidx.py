"""COVIDx in its exact layout, and what its sources tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import MedicalImages
from concord.data.medical.layouts.covidx import COVIDx, Line, line_of, told_by_source
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_picture, write_text
from tests.data.medical.layouts.covidx_fixtures import TRAIN, covidx

LISTS = {"train": "train_COVIDx9B.txt", "test": "test_COVIDx9B.txt"}
TWO = ["negative", "positive"]
THREE = ["normal", "pneumonia", "COVID-19"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    covidx(tmp_path)
    return tmp_path / "covidx"


def images(folder: Path, split: Any = "test", **settings: Any) -> MedicalImages:
    return MedicalImages(COVIDx(str(folder), **{"lists": LISTS, **settings}), split)


@pytest.mark.parametrize(
    ("text", "labels", "line"),
    [
        ("9001 a.png negative cohen", TWO, Line("9001", "a.png", "negative", "cohen")),
        ("9001 a b c.png positive sirm", TWO, Line("9001", "a b c.png", "positive", "sirm")),
        ("9001 a  b.png negative rnsa\n", TWO, Line("9001", "a  b.png", "negative", "rsna")),
        ("9001 CR.1.2.png COVID-19", THREE, Line("9001", "CR.1.2.png", "COVID-19", "")),
        ("9001 COVID-19 (12).png COVID-19", THREE, Line("9001", "COVID-19 (12).png", "COVID-19", "")),
        ("9001 x.png normal RSNA", THREE, Line("9001", "x.png", "normal", "rsna")),
    ],
)
def test_lines_have_three_fields_or_four_and_files_may_have_spaces(text: str, labels: list[str], line: Line) -> None:
    assert line_of(text, labels, "list") == line


words = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(patient=words, file=st.lists(words, min_size=1, max_size=4), label=st.sampled_from(THREE), source=st.one_of(st.just(""), words))
def test_any_line_is_read_back(patient: str, file: list[str], label: str, source: str) -> None:
    if source in THREE:
        return
    name = f"{' '.join(file)}.png"
    found = line_of(f"{patient} {name} {label} {source}".rstrip(), THREE, "list")
    assert found[:3] == (patient, name, label)


@pytest.mark.parametrize("text", ["9001 a.png", "9001 a.png maybe cohen", "9001 a.png COVID-19 cohen extra", "negative cohen"])
def test_other_lines_are_refused_by_place(text: str) -> None:
    with pytest.raises(DataError, match=r"list, line 3: expected PATIENT FILE LABEL SOURCE with a label among negative, positive"):
        line_of(text, TWO, "list, line 3")


def test_pictures_lie_in_the_folder_of_their_part(folder: Path) -> None:
    source = images(folder, "train")
    assert source.key(0) == "train/first picture of 9001.png"
    assert [exam.label for exam in source.exams] == [int(" positive " in line) for line in TRAIN]
    assert [exam.known["source"] for exam in source.exams] == ["cohen", "cohen", "rsna", "rsna", "ricord", "actmed"]
    assert all(len(source[index].image) > 0 for index in range(len(source)))


def test_collections_number_their_own_patients(folder: Path) -> None:
    assert [exam.patient for exam in images(folder, "train").exams][::5] == ["cohen/9001", "actmed/9001"]


def test_three_classes_and_no_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [f"{number} {number}.png {label}" for number, label in enumerate([*THREE, "normal"])]
    write_text(tmp_path / "test.txt", lines)
    for number in range(4):
        write_picture(tmp_path / f"test/{number}.png")
    source = images(tmp_path, lists={"test": "test.txt"}, classes="three")
    assert [exam.label for exam in source.exams] == [0, 1, 2, 0]
    assert source.class_names[2] == "COVID-19 pneumonia"
    assert "source" not in caplog.text


def test_a_validation_part_lies_in_val(folder: Path) -> None:
    write_text(folder / "val.txt", ["9009 x.png positive bimcv"])
    write_picture(folder / "val/x.png")
    assert images(folder, "validation", lists={"validation": "val.txt"}).key(0) == "val/x.png"


def test_a_test_that_the_source_gives_away_is_warned_of_with_the_shares(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(folder)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert warnings[0].startswith("covidx, test part: the source alone tells the class of 100% of the pictures (50% by always naming")
    assert warnings[0].endswith("(negative: 100% rsna; positive: 100% ricord)")


def lines(**counts: tuple[int, int]) -> list[Line]:
    """Negatives and positives of each source."""
    return [
        Line("9", "x.png", label, source) for source, own in counts.items() for label, n in zip(TWO, own, strict=True) for _ in range(n)
    ]


def test_how_much_a_source_tells() -> None:
    assert told_by_source(lines(a=(50, 50), b=(50, 50))) == ""
    assert told_by_source(lines(a=(80, 20), b=(20, 80))) == ""  # 80%, below what is warned of
    told = told_by_source(lines(a=(95, 3), b=(5, 97)))
    assert told.startswith("the source alone tells the class of 96% of the pictures (50% by")
    assert told.endswith("(negative: 95% a, 5% b; positive: 97% b, 3% a)")
    assert told_by_source(lines(a=(95, 5), b=(95, 5))) == ""  # as many as by naming the commonest class
    assert told_by_source(lines(a=(10, 0))) == ""
    assert told_by_source([line._replace(source="") for line in lines(a=(50, 50))]) == ""


def test_an_empty_list_is_refused(folder: Path) -> None:
    (folder / "none.txt").write_text("\n")
    with pytest.raises(DataError, match=r"none\.txt: no picture in it"):
        images(folder, lists={"test": "none.txt"})
