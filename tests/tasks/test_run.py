"""A run as a user makes it: train, measure, report, evaluate, export, load, sweep, resume after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tests.commands import run_command
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.conftest import ROOT, RunPy

import concord
from concord.errors import DataError
from concord.tasks import run

TINY = (*SMALL_MODEL, *SMALL_DATA, "trainer.accelerator=cpu")
READERS = ("zero_shot.reader", "retrieval.reader", "compositional.reader.source", "diagnostics.reader")
BENCH = [f"benchmark.tasks.{reader}.size=24" for reader in READERS]
MEASURED = (*TINY, *BENCH, "benchmark.bootstrap=100", "trainer.max_steps=6", "trainer.log_every=2")


def command(folder: Path, *overrides: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    done = run_command(*overrides, folder=folder, fresh=fresh)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a small run of CoCa left behind: it has every part, a decoder too."""
    folder = tmp_path_factory.mktemp("run")
    done = command(folder, "method=coca", "model.image.caption_queries=4", *MEASURED, "hydra.run.dir=runs/tiny", fresh=True)
    assert "leaderboard" in done.stdout
    assert "runs/tiny/report.html" in done.stdout
    return folder / "runs" / "tiny"


def test_a_run_leaves_everything_behind(run_folder: Path) -> None:
    metrics = json.loads((run_folder / "metrics.json").read_text())
    for name in (
        "zero_shot/shapes/top1",
        "zero_shot/shapes/top5",
        "zero_shot/shapes/mean_per_class",
        "retrieval/shapes/image_to_text/r1",
        "retrieval/shapes/text_to_image/r10",
        "compositional/shapes/swap_attributes/accuracy",
        "compositional/shapes/likelihood/swap_attributes/accuracy",
        "diagnostics/shapes/modality_gap",
        "loss",
        "loss/clip",
        "loss/captioning",
        "contribution/captioning",
    ):
        assert name in metrics, name
    assert metrics["contribution/captioning"] == pytest.approx(2.0 * metrics["loss/captioning"])
    assert metrics["loss"] == pytest.approx(metrics["contribution/clip"] + metrics["contribution/captioning"], rel=1e-5)
    record = json.loads((run_folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["steps"] == 6
    assert yaml.safe_load((run_folder / "config.yaml").read_text())["trainer"]["max_steps"] == 6
    for name in ("records.json", "metrics.csv", "report.html", "checkpoints/last.ckpt", "gallery/gallery.json", "train.log"):
        assert (run_folder / name).stat().st_size > 0, name
    records = {record["metric"]: record for record in json.loads((run_folder / "records.json").read_text())}
    assert 0 < records["top1"]["chance"] < 1
    assert records["top1"]["low"] <= records["top1"]["value"] <= records["top1"]["high"]


def test_evaluate_repeats_what_training_measured(run_folder: Path, tmp_path: Path) -> None:
    command(tmp_path, "task=evaluate", f"checkpoint={run_folder}", *BENCH, "benchmark.bootstrap=100", "hydra.run.dir=again")
    after = json.loads((tmp_path / "again" / "metrics.json").read_text())
    during = json.loads((run_folder / "metrics.json").read_text())
    assert len(after) > 15
    for name, value in after.items():
        assert value == pytest.approx(during[name], abs=1e-5), name


def test_export_and_load(run_folder: Path, tmp_path: Path) -> None:
    command(tmp_path, "task=export", f"checkpoint={run_folder}", "output=model")
    first, second = concord.load(run_folder), concord.load(tmp_path / "model")
    pictures = [Image.fromarray(np.full((40, 50, 3), value, np.uint8)) for value in (10, 200)]
    texts = ["a red circle", "a small blue square above a large green star"]
    assert torch.equal(first.score(pictures, texts), second.score(pictures, texts))
    assert first.score(pictures, texts).shape == (2, 2)
    probabilities = second.classify(pictures[0], ["red circle", "blue star", "green ring"])
    assert sum(probabilities.values()) == pytest.approx(1.0)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.safetensors", "config.json", "tokenizer.json"}


def test_report_compares_the_runs_of_a_sweep(run_py: RunPy, tmp_path: Path) -> None:
    done = run_py("-m", "method=clip,siglip", *MEASURED, "hydra.sweep.dir=sweep")
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == ["0_clip", "1_siglip"]
    done = run_py("task=report", "runs=sweep", "hydra.run.dir=reporting")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0_clip" in done.stdout
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert "0_clip" in page
    assert "1_siglip" in page
    assert "data:image/png;base64," in page


def test_the_same_command_twice_gives_the_same_numbers(tmp_path: Path) -> None:
    values = []
    for name in ("one", "two"):
        command(tmp_path, "method=mae_clip", "model.image.patch_dropout=0.25", *MEASURED, f"hydra.run.dir={name}")
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        values.append(
            {key: value for key, value in metrics.items() if key not in ("samples_per_second", "data_wait") and key[-3:] != "_ms"}
        )
    assert values[0] == values[1]


def test_a_killed_run_resumes_to_bit_identical_weights(tmp_path: Path) -> None:
    overrides = ("method=silc", "model.image.drop_path=0.2", *TINY, "trainer.max_steps=30", "benchmark=off", "data.workers=1")
    overrides = (*overrides, "callbacks.checkpoints.every_n_steps=3", "method.objectives.self_distillation.local_crops=2")
    command(tmp_path, *overrides, "hydra.run.dir=whole")
    line = [sys.executable, str(ROOT / "run.py"), *overrides, "hydra.run.dir=killed"]
    log = (tmp_path / "killed.txt").open("w")
    process = subprocess.Popen(
        line, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, start_new_session=True
    )
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 200
    while not last.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    time.sleep(random.random() * 0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert last.exists(), (tmp_path / "killed.txt").read_text()[-3000:]
    stopped = torch.load(last, weights_only=True)["global_step"]
    assert stopped > 0
    command(tmp_path, "resume=killed")
    ends = [torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in ("whole", "killed")]
    assert [end["global_step"] for end in ends] == [30, 30]
    for name, tensor in ends[0]["state_dict"].items():
        assert torch.equal(tensor, ends[1]["state_dict"][name]), name


def test_a_run_can_start_from_the_weights_of_another(run_folder: Path, tmp_path: Path) -> None:
    overrides = ("method=coca", "model.image.caption_queries=4", *TINY, "benchmark=off", "trainer.max_steps=1", "optimizer.lr=1e-12")
    command(tmp_path, *overrides, f"checkpoint={run_folder}", "hydra.run.dir=next")
    before = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    after = torch.load(tmp_path / "next" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    name = "model.text.token_embedding.weight"
    assert torch.allclose(before[name], after[name], atol=1e-6)


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    overrides = ("method=slip", *TINY, "trainer.max_steps=3", "benchmark=off", "optimizer.eps=1e-2")
    command(tmp_path, *overrides, "hydra.run.dir=one")
    command(tmp_path, *overrides, "trainer.devices=2", "trainer.strategy=ddp", "hydra.run.dir=two")
    one, two = (torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for name in ("one", "two"))
    assert set(one) == set(two)
    for name, tensor in one.items():
        assert torch.allclose(tensor.float(), two[name].float(), atol=1e-5), name


def test_catalog_says_what_there_is(run_py: RunPy) -> None:
    done = run_py("task=catalog")
    assert done.returncode == 0, done.stderr[-2000:]
    for text in ("siglip", "Zhai et al. 2023", "self_distillation", "phantoms", "quick", "Radford et al. 2021", "biomedclip"):
        assert text in done.stdout, text
    assert "@package" not in done.stdout


def test_bad_examples_are_counted_and_stop_the_run_past_the_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(20):
        Image.fromarray(np.full((32, 32, 3), index * 10, np.uint8)).save(pictures / f"{index}.png")
        (pictures / f"{index}.txt").write_text(f"grey picture number {index}")
    for index in (3, 7):
        (pictures / f"{index}.png").write_bytes(b"no picture")
    overrides = ("data=folder", f"data.path={pictures}", *SMALL_MODEL, "data.batch_size=8", "data.workers=0", "benchmark=off")
    overrides = (*overrides, "trainer.accelerator=cpu", "trainer.max_steps=16")
    run(compose_config(*overrides, "data.max_bad_share=0.5"), tmp_path / "tolerant")
    shown = capsys.readouterr().out
    assert "bad examples: " in shown
    assert "x image cannot be decoded, such as" in shown
    with pytest.raises(DataError, match=r"examples are bad, data.max_bad_share allows 1.0%: \d+ x image cannot be decoded"):
        run(compose_config(*overrides, "data.max_bad_share=0.01"), tmp_path / "strict")


def test_synthetic_medical_data_train_and_are_measured(tmp_path: Path) -> None:
    sizes = [f"benchmark.tasks.{task}.reader.size=24" for task in ("zero_shot", "retrieval", "diagnostics")]
    cfg = compose_config("data=phantoms", "benchmark=phantoms", "method=convirt", *SMALL_MODEL, *SMALL_DATA, *sizes, "trainer.max_steps=2")
    values = run(cfg, tmp_path)
    assert 0 <= values["zero_shot/phantoms/top1"] <= 1
