"""Pathology with captions: rows of one picture together, videos and figures in one part, missing pictures counted."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from concord.data.medical import MedicalImages
from concord.data.medical.keys import keyed
from concord.data.medical.layouts import ARCH, OpenPath, Quilt1M
from concord.data.medical.text import Figures
from concord.data.source import BadSample
from concord.errors import DataError
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.pathology_fixtures import QUILT_HEADER, arch, frame, openpath, quilt_1m, uuid


def test_quilt_groups_rows_by_picture_and_parts_by_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quilt_1m(tmp_path)
    with caplog.at_level(logging.WARNING):
        exams = {exam.image: exam for exam in exams_of(Quilt1M(str(tmp_path)))}
    assert "1 pictures are left out" in caplog.text
    assert len(exams) == 8
    first = exams[frame("AbCdEfGhIjk", 1)]
    assert first.texts["caption"] == "Nests of cells with dark nuclei."
    assert first.texts["caption 2"] == "The nests reach into the dermis here."
    assert [first.texts[name] for name in ("region", "region 2", "region 3")] == ["nests", "nuclei", "dermis"]
    assert first.patient == "AbCdEfGhIjk"
    assert first.known == {"subset": "quilt", "pathology": ["Dermatopathology"], "magnification": "1.0"}
    silent, crypt = exams[frame("LmNoPq_rStU", 3)], exams[frame("LmNoPq_rStU", 4)]
    assert silent.texts == {}
    assert silent.split == ""  # train, of a video in validation
    assert crypt.split == "validation"
    assert crypt.known["pathology"] == []  # nan, as pandas writes it
    assert "region" not in crypt.texts


def test_quilts_subsets_and_names_that_say_nothing(tmp_path: Path) -> None:
    quilt_1m(tmp_path)
    source = MedicalImages(Quilt1M(str(tmp_path), ["quilt"]), captions={"original": Figures()})
    assert len(source) == 2
    assert source.access == "restricted"
    assert source.key(0) == keyed(f"quilt_1m/{frame('AbCdEfGhIjk', 1)}")
    assert source.location(0) == "quilt_1m"
    with pytest.raises(ValueError, match="subsets must be some of"):
        Quilt1M(str(tmp_path), ["twitter"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="subsets must be some of"):
        Quilt1M(str(tmp_path), [])


def test_a_picture_of_quilt_without_a_caption_is_a_bad_example(tmp_path: Path) -> None:
    quilt_1m(tmp_path)
    source = MedicalImages(Quilt1M(str(tmp_path)), "all", captions={"original": Figures()})
    silent = next(index for index in range(len(source)) if source.exams[index].image == frame("LmNoPq_rStU", 3))
    with pytest.raises(BadSample, match="nothing to make a caption of") as bad:
        source[silent]
    assert "LmNoPq" not in str(bad.value)


def test_quilts_later_columns_and_unknown_parts(tmp_path: Path) -> None:
    quilt_1m(tmp_path)
    table = tmp_path / "quilt_1M_lookup.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},single_wsi,not_histology", *(f"{row},1,0" for row in rows)]))
    assert exams_of(Quilt1M(str(tmp_path)))[0].known["single_wsi"] == "1"
    table.write_text(table.read_text().replace(",quilt,train,", ",quilt,dev,"))
    with pytest.raises(DataError, match=r"row 1: split must be train or val"):
        exams_of(Quilt1M(str(tmp_path)))
    table.write_text(",".join(column for column in QUILT_HEADER if column != "subset") + "\n" + "," * (len(QUILT_HEADER) - 2) + "\n")
    with pytest.raises(DataError, match="no column 'subset'"):
        exams_of(Quilt1M(str(tmp_path)))


def test_openpath_by_post_and_as_plip_writes_it(tmp_path: Path) -> None:
    openpath(tmp_path)
    by_post = exams_of(OpenPath(str(tmp_path), group="post"))
    assert [exam.patient for exam in by_post] == ["900001", "900001", "900002"]
    assert by_post[0].texts["caption 2"] == "Any thoughts about these spindle cells?"
    assert [exam.patient for exam in exams_of(OpenPath(str(tmp_path)))] == [exam.image for exam in by_post]
    (tmp_path / "plip.csv").write_text("image,label,label_text,text_style_4\npost_900001_0.jpg,3,mucosa,An H&E image patch of mucosa.\n")
    (exam,) = exams_of(OpenPath(str(tmp_path), "plip.csv", caption="text_style_4"))
    assert exam.texts == {"caption": "An H&E image patch of mucosa."}
    with pytest.raises(DataError, match="no column 'text'"):
        exams_of(OpenPath(str(tmp_path), caption="text"))


def test_arch_counts_missing_pictures_and_keeps_what_shares_a_caption_together(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arch(tmp_path)
    with caplog.at_level(logging.WARNING):
        exams = exams_of(ARCH(str(tmp_path)))
    assert "1 captions of books_set are left out" in caplog.text
    assert [exam.image for exam in exams][3:] == [f"pubmed_set/images/{uuid(4)}.jpg", f"pubmed_set/images/{uuid(5)}.png"]
    first, second, alone = exams[:3]
    assert first.patient == second.patient != alone.patient
    assert first.together == second.together
    assert [exam.known.get("letter") for exam in exams] == ["A", "B", "Single", None, None]
    assert [exam.study for exam in exams] == ["9001", "9001", "9002", "", ""]
    assert len(exams_of(ARCH(str(tmp_path), ["pubmed_set"]))) == 2
    with pytest.raises(ValueError, match="parts must be some of"):
        ARCH(str(tmp_path), ["web_set"])  # type: ignore[list-item]
