"""Reports: what runs left is shown, escaped and self-contained; what is broken is named and costs only its own part."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from concord.errors import DataError
from concord.reports import find_runs, leaderboard, write_page
from concord.reports.table import lines


def record(name: str, value: float, low: float, high: float, chance: float = 0.1) -> dict[str, Any]:
    task, dataset, metric = name.split("/")
    return {"task": task, "dataset": dataset, "metric": metric, "value": value, "low": low, "high": high, "chance": chance, "n": 100}


def make_run(folder: Path, records: list[dict[str, Any]], gallery: list[dict[str, Any]] | None = None) -> Path:
    (folder / "gallery").mkdir(parents=True)
    (folder / "records.json").write_text(json.dumps(records))
    (folder / "metrics.csv").write_text("step,loss,learning_rate\n0,3.0,\n1,2.0,0.1\n2,,0.2\n")
    (folder / "run.json").write_text(json.dumps({"status": "finished", "command": "run.py <script>alert(1)</script>"}))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "gallery" / "a.png")
    (folder / "gallery" / "gallery.json").write_text(json.dumps(gallery or []))
    return folder


def item(task: str, label: str, image: str | None = "a.png") -> dict[str, Any]:
    return {
        "task": task,
        "dataset": "d",
        "image": image,
        "query": "<b>query</b>",
        "truth": [label],
        "top": [{"label": label, "image": "a.png" if task == "text_to_image" else None, "score": 0.25, "correct": True}],
    }


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    make_run(tmp_path / "one", [record("zero_shot/shapes/top1", 0.5, 0.4, 0.6), record("diagnostics/shapes/modality_gap", 0.9, 0.8, 1.0)])
    make_run(
        tmp_path / "two",
        [record("zero_shot/shapes/top1", 0.55, 0.45, 0.65), record("diagnostics/shapes/modality_gap", 0.2, 0.1, 0.3)],
        [item("zero_shot", "<i>red</i> circle"), item("text_to_image", "x", None)],
    )
    return tmp_path


def test_leaderboard_marks_the_best_and_what_is_not_told_apart(two_runs: Path) -> None:
    top1, gap = lines(find_runs(two_runs))
    assert [cell.text for cell in top1.cells] == ["50.0", "55.0"]
    assert [(cell.best, cell.tied) for cell in top1.cells] == [(False, True), (True, False)]
    assert top1.chance == "10.0"
    assert [(cell.best, cell.tied) for cell in gap.cells] == [(False, False), (True, False)]  # a smaller gap is better
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(leaderboard(find_runs(two_runs), console.width))
    text = console.export_text()
    assert re.search(r"zero_shot/shapes *\n +top1 ", text)
    assert "[40.0, 60.0]" in text


def test_page_is_escaped_and_self_contained(two_runs: Path) -> None:
    page = write_page(find_runs(two_runs), two_runs / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;i&gt;red&lt;/i&gt; circle" in page
    assert "data:image/png;base64," in page
    assert page.count("<svg") == 2  # loss and learning rate
    outside = [link for link in re.findall(r'(?:src|href)="([^"]+)"', page) if not link.startswith(("data:", "#"))]
    assert outside == []


def test_a_picture_outside_the_gallery_is_not_followed(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "secret.png")
    make_run(tmp_path / "run", [], [item("zero_shot", "x", "../../secret.png")])
    page = write_page(find_runs(tmp_path / "run"), tmp_path / "report.html").read_text()
    assert 'alt="query picture"' not in page


@pytest.mark.parametrize("name", ["records.json", "run.json", "gallery/gallery.json", "metrics.csv"])
def test_a_broken_file_costs_its_own_part_only(two_runs: Path, name: str) -> None:
    (two_runs / "two" / name).write_bytes(b'\xff{"broken')
    runs = find_runs(two_runs)
    assert [run.name for run in runs] == ["one", "two"]
    assert any(name.split("/")[-1] in problem for problem in runs[1].problems)
    assert "not read" in write_page(runs, two_runs / "report.html").read_text()


def test_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"runs: no run in .*; a run folder holds metrics.csv and records.json"):
        find_runs(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        find_runs(tmp_path / "nothing")


def full_record(**columns: Any) -> dict[str, Any]:
    return {**record("compositional/swap/accuracy", 0.6, 0.55, 0.65, 0.5), **columns}


def test_a_line_says_what_a_value_has_to_beat(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [full_record(blind=0.58, blind_by="longer", collapsed=0.0, n=100, units=25)])
    line = lines(find_runs(tmp_path / "run"))[0]
    assert (line.chance, line.blind, line.collapsed, line.n) == ("50.0", "58.0 longer", "0.0", "100 (25)")
    assert (line.section, line.metric) == ("compositional/swap", "accuracy")
    assert line.cells[0].weak  # 55.0 to 65.0 does not clear 58.0
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(leaderboard(find_runs(tmp_path / "run"), console.width))
    assert "60.0 (=) [55.0, 65.0]" in console.export_text()


@pytest.mark.parametrize(
    ("columns", "weak"),
    [({"blind": 0.3}, False), ({"chance": 0.55}, True), ({"chance": None}, False), ({"low": None, "high": None}, False)],
)
def test_a_value_is_weak_unless_its_interval_clears_chance_and_blind(tmp_path: Path, columns: dict[str, Any], weak: bool) -> None:
    make_run(tmp_path / "run", [full_record(**columns)])
    assert lines(find_runs(tmp_path / "run"))[0].cells[0].weak == weak


def test_less_is_better_for_ranks(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [record("retrieval/d/median_rank", 5.0, 4.0, 6.0, 50.0)])
    assert not lines(find_runs(tmp_path / "run"))[0].cells[0].weak


def test_numbers_of_other_data_or_rules_are_not_compared(tmp_path: Path) -> None:
    make_run(tmp_path / "one", [full_record(data="a", protocol="p")])
    make_run(tmp_path / "two", [full_record(data="b", protocol="p", value=0.9)])
    line = lines(find_runs(tmp_path))[0]
    assert not line.comparable
    assert [cell.text for cell in line.cells] == ["60.0 ≠", "90.0 ≠"]
    assert not any(cell.best or cell.tied for cell in line.cells)


def test_pictures_and_what_was_not_measured_stand_on_the_page(two_runs: Path) -> None:
    curve = {"kind": "curve", "title": "few shots", "x": [1, 2], "series": {"a": [1, 2]}, "x_label": "x", "y_label": "y", "log": False}
    (two_runs / "one" / "figures.json").write_text(json.dumps({"probe": curve, "broken": {"kind": "<b>"}}))
    (two_runs / "one" / "skipped.json").write_text(json.dumps({"imagenet": "no such folder <x>"}))
    page = write_page(find_runs(two_runs), two_runs / "report.html").read_text()
    assert "few shots" in page
    assert "not drawn: there is no picture of kind &#39;&lt;b&gt;&#39;" in page
    assert "no such folder &lt;x&gt;" in page


def test_a_table_of_one_run_fits_a_terminal_of_80_characters(tmp_path: Path) -> None:
    long = {"task": "retrieval", "dataset": "shapes", "subset": "image_to_text", "metric": "r10"}
    make_run(tmp_path / "2026-11-22_22-24-15_clip", [{**full_record(blind=0.58, blind_by="ngram_cross_fitted", collapsed=0.0), **long}])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(leaderboard(find_runs(tmp_path), console.width))
    text = console.export_text()
    assert "60.0 (=) [55.0, 65.0]" in text
    assert "collapsed  " not in text
