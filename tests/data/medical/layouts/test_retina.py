"""Retinas: categories that the tables themselves tell, data sets drawn alike, and frames of long series."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import MedicalImages, balanced
from concord.data.medical.layouts import FFAIR, FLAIRTables
from concord.data.medical.layouts.ffa_ir import spread
from concord.data.medical.text import LabelCaptions
from concord.data.mixture import sampling_of
from concord.data.order import Shuffle
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_csv, write_text
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.retina_fixtures import FLAIR_IMAGES, ffa_ir, flair


def photographs(path: Path) -> MedicalImages:
    flair(path)
    return MedicalImages(FLAIRTables(str(path)), "all", captions={"label": LabelCaptions("fundus", missing="name")})


def test_flairs_tables(tmp_path: Path) -> None:
    source = photographs(tmp_path)
    assert source.class_names == ["a scar beside the fovea, seen for years", "cataract", "drusen", "no diabetic retinopathy"]
    assert source.metadata(2)["labels"] == [None, 1, 1, None]
    assert source.metadata(2)["attributes"] == ["low quality"]
    assert [source.metadata(index)["dataset"] for index in range(4)] == ["01_EYEPACS", *["08_ODIR-5K"] * 3]
    assert source.metadata(1)["patient_id"] == source.metadata(2)["patient_id"] != source.metadata(3)["patient_id"]
    assert any("drusen and a clouded lens" in caption for caption in source.captions(2))
    assert any("A scar beside the fovea" in caption for caption in source.captions(3))


def test_flairs_data_sets_can_be_chosen(tmp_path: Path) -> None:
    flair(tmp_path)
    layout = FLAIRTables(str(tmp_path), datasets=["01_EYEPACS"])
    assert [exam.image for exam in exams_of(layout)] == FLAIR_IMAGES[:1]
    assert list(layout.class_names) == ["no diabetic retinopathy"]


def test_lists_in_cells_are_parsed_and_never_run(tmp_path: Path) -> None:
    flair(tmp_path)
    write_csv(tmp_path / "dataframes/01_EYEPACS.csv", ["", "image", "atributes", "categories"], [(0, "a/b.jpg", "[]", "[open('x', 'w')]")])
    with pytest.raises(DataError, match=r"categories.*a list as Python writes it"):
        exams_of(FLAIRTables(str(tmp_path)))
    assert not Path("x").exists()


def test_data_sets_are_drawn_alike_whatever_their_sizes(tmp_path: Path) -> None:
    mixture = balanced(photographs(tmp_path), "dataset")
    assert mixture.shares == {"01_EYEPACS": 0.5, "08_ODIR-5K": 0.5}
    visits = sampling_of(mixture, Shuffle(), "0", 2)(np.arange(1000))
    drawn = Counter("one" if index == 0 else "other" for index in visits.indices.tolist())
    assert drawn["one"] == pytest.approx(500, abs=60)
    assert balanced(photographs(tmp_path / "b"), "dataset", {"01_EYEPACS": 1, "08_ODIR-5K": 3}).shares["08_ODIR-5K"] == 0.75
    with pytest.raises(DataError, match="lack scanner"):
        balanced(photographs(tmp_path / "c"), "scanner")


def test_ffa_ir_takes_frames_of_each_case(tmp_path: Path) -> None:
    ffa_ir(tmp_path)
    exams = exams_of(FFAIR(str(tmp_path), frames=4))
    assert Counter(exam.patient for exam in exams) == {"90001": 4, "90002": 2, "90003": 1, "90004": 3}
    assert {exam.patient: exam.split for exam in exams} == {"90001": "train", "90002": "train", "90003": "validation", "90004": "test"}
    assert exams[0].texts == {"report": "Late leakage at the macula of case 90001.", "report_zh": "黄斑区晚期渗漏。"}
    assert len(exams_of(FFAIR(str(tmp_path), frames=None))) == 17
    with pytest.raises(ValueError, match="frames must be at least 1"):
        FFAIR(str(tmp_path), frames=0)
    write_text(tmp_path / "ffair_annotation.json", ['{"dev": {}}'])
    with pytest.raises(DataError, match="no part is called 'dev'"):
        exams_of(FFAIR(str(tmp_path)))


@given(st.integers(1, 200), st.integers(1, 60))
def test_frames_are_spread_evenly(count: int, most: int) -> None:
    places = spread(count, most)
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] < count
    steps = np.diff(places)
    assert steps.size == 0 or steps.max() - steps.min() <= 1
    assert abs(places[0] - (count - 1 - places[-1])) <= 1
