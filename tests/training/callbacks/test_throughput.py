from __future__ import annotations

import csv
from pathlib import Path

import pytest

from concord.tasks import run
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config

MIXED = (
    "data=mixture",
    "+source@data.source.sources.web=shapes",
    "+source@data.source.sources.book=shapes",
    *(f"data.source.sources.{name}.{key}" for name in ("web", "book") for key in ("size=64", "image_size=32")),
    "data.batch_size=8",
    "data.workers=0",
)
RUN = (*SMALL_MODEL, "trainer.accelerator=cpu", "trainer.max_steps=6", "trainer.log_every=2", "benchmark=off")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_mixture_logs_loss_and_throughput_of_each_source(tmp_path: Path) -> None:
    run(compose_config(*RUN, *MIXED, "data.source.batches=stratified", "data.source.weights={web: 3, book: 1}"), tmp_path)
    logged = rows(tmp_path)
    assert len(logged) == 3
    for row in logged:
        of_sources = [float(row[f"samples_per_second/{name}"]) for name in ("web", "book")]
        assert sum(of_sources) == pytest.approx(float(row["samples_per_second"]), rel=1e-5)
        assert of_sources[0] == pytest.approx(3 * of_sources[1], rel=1e-5)
        losses = [float(row[f"loss/clip/{name}"]) for name in ("web", "book")]
        assert (3 * losses[0] + losses[1]) / 4 == pytest.approx(float(row["loss/clip"]), rel=1e-5)  # 6 and 2 pairs of each batch


def test_one_source_is_not_logged_twice(tmp_path: Path) -> None:
    run(compose_config(*RUN, *SMALL_DATA), tmp_path)
    names = rows(tmp_path)[-1]
    assert "samples_per_second" in names
    assert "data/read_ms" in names
    assert float(names["data/bad"]) == 0
    assert not [name for name in names if name.startswith(("samples_per_second/", "loss/clip/"))]
