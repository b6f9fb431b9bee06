"""Data sets that the readers of folders read: masks between pictures, and parts in folders of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from concord.config import build
from tests.composing import compose_config
from tests.data.benchmarks.classification.folder_layouts import brain_tumor_mri, busi
from tests.data.benchmarks.classification.table_layouts import mhist


def reader_of(name: str, data: Path) -> Any:
    config = compose_config("task=evaluate", "benchmark=off", f"benchmark_data={data}", f"+test@benchmark.tasks.it={name}")
    return build(config["benchmark"]["tasks"]["it"]["reader"], "reader")


def test_masks_of_breasts_are_passed_over(tmp_path: Path) -> None:
    busi(tmp_path)
    assert len(list((tmp_path / "busi").rglob("*_mask*.png"))) == 6
    reader = reader_of("busi", tmp_path)
    assert [reader.key(index) for index in range(len(reader))] == [f"{name}/{name} (1).png" for name in ("benign", "malignant", "normal")]


def test_brain_slices_are_those_of_the_test_folder(tmp_path: Path) -> None:
    brain_tumor_mri(tmp_path)
    reader = reader_of("brain_tumor_mri", tmp_path)
    assert len(reader) == 8
    assert {reader.key(index).split("/")[1][:3] for index in range(8)} == {"Te-"}
    assert reader.metadata(0)["class_name"] == "a glioma"


def test_polyps_are_those_of_the_test_partition(tmp_path: Path) -> None:
    mhist(tmp_path)
    reader = reader_of("mhist", tmp_path)
    assert [reader.key(index) for index in range(len(reader))] == ["MHIST_zz2.png", "MHIST_zz3.png"]
    assert [reader.metadata(index)["class_name"] for index in range(2)] == ["a hyperplastic polyp", "a sessile serrated adenoma"]
