"""Figures of articles: lists as they are published, articles kept together, and what is missing counted."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from concord.data.filters import DuplicateCaptions, Filtered, ImageSize
from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.captions import CaptionMaker
from concord.data.medical.layouts import PMC15M, PMCOA, ROCO, MedICaT, ROCOv2
from concord.data.medical.text import Figures
from concord.data.readers.shards import Shards
from concord.data.source import BadSample
from concord.errors import DataError
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.literature_fixtures import (
    PAPERS,
    ROCO_FIGURES,
    biomedica_json,
    medicat,
    pmc_15m,
    pmc_oa,
    write_biomedica,
    write_kaggle_roco,
    write_lines,
    write_roco,
    write_rocov2,
)
from tests.data.samples import encode

CAPTION: dict[str, CaptionMaker] = {"original": Figures()}


def test_roco_reads_spaces_empty_lines_of_concepts_and_licences_with_a_heading(tmp_path: Path) -> None:
    write_roco(tmp_path)
    exams = {exam.image.rpartition("/")[2]: exam for exam in exams_of(ROCO(str(tmp_path)))}
    assert len(exams) == sum(map(len, ROCO_FIGURES.values()))
    cyst, knee = exams["ROCO_90001.jpg"], exams["ROCO_90004.jpg"]
    assert cyst.texts == {"caption": "Axial CT showing a splenic cyst."}
    assert cyst.known["cuis"] == ["C0040405", "C0010709"]
    assert cyst.known["keywords"] == ["axial", "ct", "cyst"]
    assert cyst.known["semantic_types"] == ["T060", "Diagnostic Procedure"]
    assert cyst.known["licence"] == "CC BY"
    assert cyst.patient == "PMC9000001"
    assert knee.known["cuis"] == []


def test_roco_keeps_articles_in_one_part(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_roco(tmp_path)
    with caplog.at_level(logging.WARNING):
        parts = {part: MedicalImages(ROCO(str(tmp_path)), part, captions=CAPTION) for part in ("train", "validation", "test")}  # type: ignore[arg-type]
    assert {part: len(source) for part, source in parts.items()} == {"train": 2, "validation": 1, "test": 4}
    assert not parts["train"].patients() & parts["test"].patients()
    assert "1 pictures are left out" in caplog.text
    anew = [MedicalImages(ROCO(str(tmp_path)), part, PatientSplit(0.0, 0.5)).patients() for part in ("train", "test")]  # type: ignore[arg-type]
    assert not anew[0] & anew[1]
    assert len(anew[0] | anew[1]) == 7


def test_rocos_other_figures(tmp_path: Path) -> None:
    write_roco(tmp_path)
    assert {exam.known["kind"] for exam in exams_of(ROCO(str(tmp_path), "both"))} == {"radiology", "non-radiology"}
    assert len(exams_of(ROCO(str(tmp_path), "non-radiology"))) == 3


def test_kaggles_roco(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_kaggle_roco(tmp_path)
    with caplog.at_level(logging.WARNING):
        source = MedicalImages(ROCO(str(tmp_path), packaging="kaggle"), captions=CAPTION)
    assert "licences.txt does not name the articles" in caplog.text
    assert [source.exams[index].patient for index in range(len(source))] == ["ROCO_90001", "ROCO_90004", "ROCO_90007"]
    assert source[0].captions == ("Axial CT showing a splenic cyst.",)
    with pytest.raises(BadSample, match="zero bytes"):
        source[1]
    with pytest.raises(BadSample, match="not found"):
        source[2]
    with pytest.raises(ValueError, match="kind must be radiology"):
        ROCO(str(tmp_path), "both", "kaggle")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("captions.txt", "ROCO_90001 no tab", "line 1: expected a name and a tab"),
        ("licences.txt", "ROCO_90001,PMC9000001_x.jpg,CC BY", "expected ROCO_ID,PMC_ID,CC in its first line"),
        ("licences.txt", "ROCO_ID,PMC_ID,CC\nROCO_90001,PMC9000001_x.jpg", "expected 3 cells in each line, got 2"),
        ("captions.txt", b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_broken_lists_are_refused_by_name(file: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    write_roco(tmp_path)
    (tmp_path / "train/radiology" / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=f"{file}.*{message}"):
        exams_of(ROCO(str(tmp_path)))


@pytest.mark.parametrize("middle", ["valid", "validation"])
def test_rocov2_under_both_names_of_its_middle_part(middle: str, tmp_path: Path) -> None:
    write_rocov2(tmp_path, middle)
    source = MedicalImages(ROCOv2(str(tmp_path)), "validation", captions=CAPTION)
    assert [source.key(index) for index in range(len(source))] == [f"{middle}/ROCOv2_2023_valid_000001.jpg"]
    assert source.metadata(0)["cuis"] == ["C1306645", "C0817096"]
    assert source.metadata(0)["patient_id"] == "PMC9000014"
    train = MedicalImages(ROCOv2(str(tmp_path)), captions=CAPTION)
    assert len(train) == 3  # the fourth is of an article in the middle part
    assert len(Filtered(train, {"duplicates": DuplicateCaptions()})) == 2


def test_rocov2_without_its_captions(tmp_path: Path) -> None:
    write_rocov2(tmp_path)
    (tmp_path / "valid_captions.csv").unlink()
    with pytest.raises(DataError, match=r"valid_captions.csv or .*validation_captions.csv: no such file"):
        exams_of(ROCOv2(str(tmp_path)))


def test_medicat_with_nulls_references_and_subcaptions(tmp_path: Path) -> None:
    medicat(tmp_path)
    first, second, third = exams_of(MedICaT(str(tmp_path), subcaptions="subcaptions_public.jsonl"))
    assert [exam.known["licence"] for exam in (first, second, third)] == ["cc-by-nc", None, None]
    assert [exam.patient for exam in (first, second, third)] == [PAPERS[0], PAPERS[0], PAPERS[1]]
    references = Figures(["reference"], drop=[])
    assert list(references(first, first.texts, [])) == [
        "The lesion was seen on CT and on MRI (Figure 2).",
        "No other lesion was found anywhere (Figure 2).",
    ]
    assert list(references(second, second.texts, [])) == []
    assert second.texts["caption"] == "Figure 3. Section of the lesion after it was taken out."
    assert (first.texts["subcaption"], first.texts["subcaption 2"]) == ("( A ) CT", "( B ) MRI")
    assert "subcaption" not in third.texts  # its annotation was rejected
    assert "subcaption" not in exams_of(MedICaT(str(tmp_path)))[0].texts


def test_pmc_oa_keeps_articles_together_in_parts_and_out(tmp_path: Path) -> None:
    pmc_oa(tmp_path)
    layout = PMCOA(str(tmp_path))
    panels = exams_of(layout)
    assert [exam.patient for exam in panels] == ["PMC9000021", "PMC9000021", "PMC9000022"]
    assert [exam.together for exam in panels][:2] == ["PMC9000021/PMC9000021_figure_1"] * 2
    assert panels[0].known == {"alignment_type": "ocr", "alignment_score": 0.91}
    rows = [json.loads(line) for line in (tmp_path / "pmc_oa.jsonl").read_text().splitlines()]
    write_lines(tmp_path / "train.jsonl", [rows[0], rows[2], {"image": "PMC9000023_Fig1_1.jpg", "caption": ""}])
    write_lines(tmp_path / "test.jsonl", [rows[1]])
    split = exams_of(PMCOA(str(tmp_path), {"train": "train.jsonl", "test": "test.jsonl"}))
    assert [exam.split for exam in split] == ["", "train", "train", "test"]
    assert split[2].texts == {}
    with pytest.raises(ValueError, match="lists must be by part"):
        PMCOA(str(tmp_path), {"dev": "train.jsonl"})


def test_articles_of_one_set_are_left_out_of_another(tmp_path: Path) -> None:
    """ROCO, PMC-OA and PMC-15M name articles alike."""
    pmc_oa(tmp_path / "oa")
    listed = [{"pmc": 9000021, "figures": [_figure("x.jpg")]}, {"pmc": "9000099", "figures": [_figure("y.jpg")]}]
    write_lines(tmp_path / "15m/articles.jsonl", listed)
    for name in ("PMC9000021/x.jpg", "PMC9000099/y.jpg"):
        (tmp_path / "15m/articles" / name).parent.mkdir(parents=True)
        (tmp_path / "15m/articles" / name).write_bytes(encode(9))
    benchmark = MedicalImages(PMCOA(str(tmp_path / "oa")), "all")
    kept = MedicalImages(PMC15M(str(tmp_path / "15m")), "all", exclude=[benchmark])
    assert [kept.key(index) for index in range(len(kept))] == ["PMC9000099/y.jpg"]


def _figure(picture: str) -> dict[str, str]:
    return {"fig_caption": "An invented figure.", "fig_id": "F1", "fig_label": "Figure 1", "graphic_ref": f"/elsewhere/{picture}"}


def test_pmc_15m_has_an_article_per_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pmc_15m(tmp_path)
    with caplog.at_level(logging.WARNING):
        exams = exams_of(PMC15M(str(tmp_path)))
    assert "2 figures are left out" in caplog.text
    assert [exam.patient for exam in exams] == ["PMC9000031", "PMC9000031", "PMC9000032"]
    assert exams[0].image == "PMC9000031/x-g001.jpg"  # wherever the scripts ran
    (tmp_path / "articles/PMC9000031/x-g003.jpg").unlink()
    source = MedicalImages(PMC15M(str(tmp_path)), "all", captions=CAPTION)
    assert source[0].captions == ("Survival of mice over thirty days.",)
    with pytest.raises(BadSample, match="not found"):
        source[1]


def biomedica(path: Path, **kwargs: object) -> Shards:
    keys = ["article_license", "image_panel_type"]
    return Shards(str(path / "commercial"), metadata="json", keys=keys, absent=["No caption found"], **kwargs)  # type: ignore[arg-type]


def test_biomedica_reads_wanted_keys_alone_and_drops_what_is_no_caption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = encode(7, "JPEG", 21), encode(7, "JPEG", 20)
    write_biomedica(tmp_path, [("A rash on the arm.", large), ("No caption found", large), ("Another rash.", small)])
    source = biomedica(tmp_path, min_side=21)
    assert source[0].metadata == {"article_license": "CC BY", "image_panel_type": "Single"}
    with pytest.raises(BadSample, match="no caption"):
        source.captions(1)
    with pytest.raises(BadSample, match="image is too small"):
        source[2]
    parsed: list[bytes] = []
    real = json.loads
    monkeypatch.setattr(json, "loads", lambda content: parsed.append(content) or real(content))
    assert source.metadata(0)["article_license"] == "CC BY"
    assert all(b"Nothing happened" not in bytes(content) for content in parsed)
    assert sum(map(len, parsed)) < len(json.dumps(biomedica_json(0))) / 20


def test_the_filter_agrees_with_the_least_side(tmp_path: Path) -> None:
    pictures = [encode(7, "JPEG", side) for side in (19, 20, 21, 22)]
    write_biomedica(tmp_path, [(f"A rash, number {place}.", picture) for place, picture in enumerate(pictures)])
    kept = Filtered(biomedica(tmp_path), {"size": ImageSize(21)})
    read = biomedica(tmp_path, min_side=21)
    assert [kept.key(index) for index in range(len(kept))] == [read.key(index) for index in range(4) if _is_read(read, index)]


def _is_read(source: Shards, index: int) -> bool:
    try:
        return bool(source[index].image)
    except BadSample:
        return False


def test_shards_refuse_options_that_nothing_reads(tmp_path: Path) -> None:
    write_biomedica(tmp_path, [("A rash on the arm.", encode(7, "JPEG", 21))])
    with pytest.raises(ValueError, match="keys are read from the JSON"):
        Shards(str(tmp_path / "commercial"), keys=["article_license"])
    with pytest.raises(ValueError, match="min_side must be at least 1"):
        Shards(str(tmp_path / "commercial"), min_side=0)
    assert Shards(str(tmp_path / "commercial"), caption="json:article_title", keys=[])[0].captions == ("An invented article",)
