"""Flips cost the sides: the reason why no preset of a modality whose sides matter flips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import RunPy

SMALL = (
    "experiment=phantoms",
    "trainer.max_steps=150",
    "trainer.accelerator=cpu",
    "optimizer.lr=5e-4",
    "model.image.image_size=32",
    "data.batch_size=32",
    "data.workers=0",
    "data.caption_policy=first",
    "data.source.modalities=[fundus]",
    "data.source.image_size=32",
    "benchmark.tasks.sides.reader.modalities=[fundus]",
    "benchmark.tasks.sides.reader.image_size=32",
    "benchmark.tasks.sides.reader.size=200",
    "benchmark.tasks.sided_findings.reader.image_size=32",
    "benchmark.tasks.sided_findings.reader.size=600",
    *(f"~benchmark.tasks.{task}" for task in ("findings", "zero_shot", "retrieval", "diagnostics")),
    "callbacks.benchmark.every_n_steps=150",
    "callbacks.checkpoints.every_n_steps=150",
    "callbacks.checkpoints.monitor=compositional/phantoms/fundus/accuracy",
)


@pytest.mark.parametrize(("flip", "least", "most"), [(0.0, 0.85, 1.0), (0.5, 0.3, 0.7)])
def test_sides_are_learned_unless_pictures_are_flipped(run_py: RunPy, tmp_path: Path, flip: float, least: float, most: float) -> None:
    folder = tmp_path / "run"
    done = run_py(*SMALL, f"data.augmentation.weak.flip={flip}", f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "metrics.json").read_text())
    of_eyes = [metrics[f"multi_label/phantoms_sides/left {finding}/auroc"] for finding in ("exudates", "haemorrhages", "large cup")]
    assert least <= sum(of_eyes) / len(of_eyes) <= most
    assert least <= metrics["compositional/phantoms/fundus/accuracy"] <= most
