"""`experiment=vqa_rad` as a user runs it: no picture of the tests is learned from, and what is reported stands beside chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.composing import SMALL_MODEL, compose_config
from tests.data.medical.layouts.vqa_fixtures import write_vqa_rad

from concord.benchmarks import Bench
from concord.config import build
from concord.data.medical.parts import patients_in
from concord.errors import DataError
from concord.tasks import run

SMALL = (*SMALL_MODEL, "data.batch_size=6", "data.workers=0", "trainer.accelerator=cpu", "trainer.max_steps=4", "trainer.log_every=1")
ONCE = ("benchmark.bootstrap=100", "callbacks.benchmark.every_n_steps=null", "callbacks.checkpoints.every_n_steps=4")


def test_it_trains_and_reports_organ_and_modality_beside_chance(tmp_path: Path) -> None:
    data = write_vqa_rad(tmp_path / "vqa_rad")
    run(compose_config("experiment=vqa_rad", f"data.path={data}", *SMALL, *ONCE), tmp_path / "run")
    records = json.loads((tmp_path / "run/records.json").read_text())
    for name in ("zero_shot/vqa_rad_organ", "zero_shot/vqa_rad_modality"):
        (top1,) = (one for one in records if f"{one['task']}/{one['dataset']}/{one['metric']}" == f"{name}/top1")
        assert top1["chance"] == pytest.approx(1 / 3)
        assert top1["low"] <= top1["value"] <= top1["high"]
    assert "compositional/vqa_rad/closed/accuracy" in json.loads((tmp_path / "run/metrics.json").read_text())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_the_split_no_picture_of_the_tests_is_learned_from(seed: int, tmp_path: Path) -> None:
    data = write_vqa_rad(tmp_path / "vqa_rad")
    config = compose_config("experiment=vqa_rad", f"data.path={data}", f"data.source.patient_split.seed={seed}")
    trained = patients_in(build(config["data"]["source"], "data.source"))["vqa_rad"]
    bench = build(config["benchmark"], "benchmark")
    assert isinstance(bench, Bench)
    for name in ("organ", "modality"):
        tested = patients_in(bench.tasks[name].reader)["vqa_rad"]
        assert tested
        assert not tested & trained
    assert not patients_in(bench.tasks["answers"].reader.images)["vqa_rad"] & trained  # type: ignore[attr-defined]


@pytest.mark.parametrize("reader", ["organ.reader", "answers.reader.source"])
def test_a_test_of_another_split_is_refused(reader: str, tmp_path: Path) -> None:
    data = write_vqa_rad(tmp_path / "vqa_rad")
    other = f"benchmark.tasks.{reader}.split=all"
    task = reader.partition(".")[0]
    with pytest.raises(DataError, match=rf"18 of 28 patients of benchmark\.tasks\.{task} are in the training data \(vqa_rad\)"):
        run(compose_config("experiment=vqa_rad", f"data.path={data}", other, *SMALL, *ONCE), tmp_path / "run")
