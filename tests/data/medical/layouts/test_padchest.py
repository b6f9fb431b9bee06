"""PadChest: lists in cells, gaps, projections, and stems of Spanish words."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.exams import UNKNOWN
from concord.data.medical.layouts import PadChest
from concord.data.medical.layouts.padchest import labels_of, sentences
from concord.errors import DataError
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.padchest_fixtures import ROWS, TABLE, write_padchest

CLASSES = ["cardiomegaly", "pneumonia", "COPD signs"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_padchest(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['pacemaker', 'chronic changes']", {"pacemaker", "chronic changes"}),
        ("['', ' pleural effusion ', 'pleural effusion']", {"pleural effusion"}),
        ("[\"'COPD signs'\", 'NSG tube']", {"copd signs", "nsg tube"}),
        ("['cardiomegaly'", {"cardiomegaly"}),
        ("[]", set()),
        ("nan", set()),
        (" NaN ", set()),
        ("", set()),
    ],
)
def test_lists_in_cells(cell: str, labels: set[str]) -> None:
    assert labels_of(cell) == labels


@given(st.lists(st.text("abcdefgh ", min_size=1).map(lambda text: " ".join(text.split())).filter(bool)))
def test_lists_as_python_writes_them(labels: list[str]) -> None:
    assert labels_of(str(labels)) == set(labels)


@given(st.text())
def test_any_cell_is_read(cell: str) -> None:
    assert all(label and not set(label) & set("[]'\",\n\t") and label == label.strip() for label in labels_of(cell))


def test_reports_in_spanish_get_their_full_stops() -> None:
    assert sentences("  silu cardi normal .  no derram pleural . ") == "silu cardi normal. no derram pleural."
    assert sentences("nan") == sentences("") == ""


def test_what_is_not_named_is_absent_only_where_there_are_labels(root: Path) -> None:
    found = {exam.patient: exam.findings for exam in exams_of(PadChest(str(root), findings=CLASSES))}
    assert found == {
        "99990": (1, 0, 0),
        "99991": (0, 1, 1),
        "99992": (0, 0, 0),
        "99993": (UNKNOWN,) * 3,
        "99995": (UNKNOWN, 1, UNKNOWN),
        "99996": (1, 1, 0),
    }


def test_projections_and_folders(root: Path) -> None:
    found = exams_of(PadChest(str(root)))
    assert [exam.view for exam in found] == ["PA", "LATERAL", "AP", "PA", "PA", "OTHER", "AP"]
    assert [exam.image for exam in found] == [f"{row[1]}/{row[0]}" for row in ROWS if row[3] != "EXCLUDE"]
    assert len(MedicalImages(PadChest(str(root)), "all", views="frontal")) == 5


def test_texts_say_their_language_and_nothing_of_dates(root: Path) -> None:
    found = exams_of(PadChest(str(root)))
    assert found[0].texts == {"findings": "cardiomegali. derram."}
    assert found[4].texts == {}
    assert found[2].known == {"language": "es", "labelled_by": "RNN_model"}
    assert "1930" not in repr(found)
    assert "20140915" not in repr(found)


def test_pictures_in_one_folder_and_a_table_that_was_unpacked(tmp_path: Path) -> None:
    write_padchest(tmp_path, folders=False)
    packed = tmp_path / TABLE
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    source = MedicalImages(PadChest(str(tmp_path), folders=False), "all")
    assert all(source[index].image for index in range(len(source)))


def test_labels_of_physicians_alone(root: Path) -> None:
    found = exams_of(PadChest(str(root), labelled_by="physician"))
    assert "99991" not in {exam.patient for exam in found}
    assert len(found) == 6


def test_parts_by_patient_since_there_are_none(root: Path) -> None:
    with pytest.raises(DataError, match="has no splits of its own"):
        MedicalImages(PadChest(str(root)))
    found: dict[str, Any] = {}
    for part in ("train", "validation", "test"):
        found[part] = MedicalImages(PadChest(str(root)), part, PatientSplit(0.3, 0.3, seed=1)).patients()  # type: ignore[arg-type]
    assert sum(map(len, found.values())) == len(set.union(*found.values())) == 6


def test_names_of_classes() -> None:
    assert PadChest("x", findings=["NSG tube"]).class_names == ["NSG tube"]
    with pytest.raises(ValueError, match="class_names must be as many as findings, 1, got 2"):
        PadChest("x", findings=["NSG tube"], class_names=["a", "b"])
