"""`task=plan`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.composing import SMALL_MODEL, compose_config
from tests.conftest import RunPy

from concord.config import build
from concord.errors import ConcordError, IncompatibleError
from concord.planning import Device
from concord.tasks import run
from concord.tasks.assemble import outline_method

PLAN = ("task=plan", "data.batch_size=64", "trainer.max_steps=100")


def device(**changes: Any) -> Device:
    figures: dict[str, Any] = {"name": "it", "kind": "gpu", "memory": 10, "teraflops_32": 1, "teraflops_bf16": 10, "teraflops_16": 10}
    links = {"bandwidth": 100, "per_node": 4, "intra_node": 10, "inter_node": 1, "latency": 10, "launch": 1, "achievable": 0.5}
    return Device(**{**figures, **links, **changes})


def test_a_plan_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*arguments: object) -> None:
        raise AssertionError("the data was touched")

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("concord.data.Shapes.__getitem__", touched)
    options = ("method=slip", "trainer.devices=2", "trainer.strategy=ddp", "trainer.nodes=8", "task.price=3")
    plan = run(compose_config(*PLAN, *SMALL_MODEL, *options), tmp_path)
    page = capsys.readouterr().out
    for text in ("objectives.simclr", "GFLOPs per pair", "buckets", "16 x H100 (ddp), 4 of 64 pairs each", "6,400 samples", "cost"):
        assert text in page
    assert all(len(line) <= 80 for line in page.splitlines() if "─" in line or line.startswith("  "))
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["run"] == {"pairs": 64, "world": 16, "steps": 100, "accumulate": 1, "spread": "ddp", "averaged": False}
    assert written["parameters"]["all"]["trained"] == plan.parameters["all"].trained
    assert written["cost"] == pytest.approx(3 * 16 * plan.seconds / 3600)
    assert written["fits"] is True
    assert plan.tokens == {"image": 6400 * 3 * 16, "text": 6400 * 64}
    assert not plan.warnings


def test_parameters_are_those_of_the_method(tmp_path: Path) -> None:
    cfg = compose_config(*PLAN, *SMALL_MODEL, "method=silc")
    plan = run(cfg, tmp_path)
    method = outline_method(cfg, build(cfg["tokenizer"], "tokenizer"))
    assert plan.parameters["all"].all == sum(parameter.numel() for parameter in method.parameters())
    teacher = sum(p.numel() for p in method.objectives["self_distillation"].parameters() if not p.requires_grad)
    assert plan.parameters["objectives.self_distillation"].frozen == plan.parameters["all"].frozen == teacher > 0
    assert sum(count.all for name, count in plan.parameters.items() if name != "all") == plan.parameters["all"].all
    assert plan.added["self_distillation"] > plan.work["objectives.self_distillation"].total


def test_objectives_share_what_several_need(tmp_path: Path) -> None:
    plan = run(
        compose_config(*PLAN, *SMALL_MODEL, "method=clip", "+objective@method.objectives.siglip=siglip", "head@model=sigmoid"), tmp_path
    )
    assert set(plan.added) == {"clip", "siglip"}
    assert all(added < 0.01 * plan.work["all"].total for added in plan.added.values())  # both look at the same features


def test_what_does_not_fit_is_said_with_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = ("task=plan", *SMALL_MODEL, "data.batch_size=65536", "trainer.precision=bf16")
    plan = run(compose_config(*huge), tmp_path)
    assert not plan.fits
    (warning,) = plan.warnings
    assert "will not fit into H100" in warning
    assert "method.objectives.clip.tile=2048" in warning
    assert warning in capsys.readouterr().out
    tiled = run(compose_config(*huge, "method.objectives.clip.tile=8192"), tmp_path)
    assert tiled.fits
    assert tiled.most["objectives.clip"] < plan.most["objectives.clip"] / 10


def test_a_table_has_models_and_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = ("task.table=true", "task.models=[tiny,vit_s_32]", "task.devices=[1,8,24]", "trainer=ddp", "trainer.devices=8")
    run(compose_config("task=plan", "data.batch_size=64", "model=tiny", *table), tmp_path)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith(("tiny ", "vit_"))]
    assert [row[:2] for row in rows] == [[model, count] for model in ("tiny", "vit_s_32") for count in ("1", "8", "24")]
    assert rows[2][2:] == ["-"] * 6  # 24 devices cannot share 64 pairs
    assert float(rows[3][2]) > float(rows[0][2])
    written = json.loads((tmp_path / "plan.json").read_text())["table"]["models"]
    assert written["vit_s_32"][1]["run"]["world"] == 8
    assert written["vit_s_32"][1]["parameters"]["image"]["trained"] > 21e6


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("trainer.devices=3",), "data.batch_size=64 cannot be shared by 3 devices; use a multiple of 3"),
        (
            ("trainer.accelerator=cpu",),
            "trainer.accelerator=cpu does not go with task.device=H100, a gpu; choose another profile, as in device@",
        ),
        (("device@task.device=v100_32", "trainer.precision=bf16"), "V100 32 GB has no bf16"),
        (("task.price=0",), "task.price must be above 0 or null"),
        (("task.devices=[]",), "task.devices must be numbers of at least 1"),
        (("task.device.achievable=2",), "achievable must lie in (0, 1], got 2"),
        (("task.device=h200",), "task.device holds a whole profile, got 'h200'; choose one by its group, as in device@task.device=h200"),
        (("+task.device.memry=2",), "task.device.memry: no such key; did you mean memory"),
    ],
)
def test_wrong_settings_are_refused(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConcordError) as error:
        run(compose_config(*PLAN, *SMALL_MODEL, *overrides), tmp_path)
    assert message in str(error.value)


def test_a_measured_share_replaces_the_assumed_one(tmp_path: Path) -> None:
    measured = ("device@task.device=cpu_2_cores", "task.measure=true", "task.measure_pairs=4")
    plan = run(compose_config(*PLAN, *SMALL_MODEL, *measured), tmp_path)
    assert 0 < plan.device.achievable <= 1
    assert "measured in steps of 4 pairs" in plan.device.source


def test_a_measurement_needs_the_device(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(IncompatibleError, match=r"task.measure=true needs a GPU"):
        run(compose_config(*PLAN, *SMALL_MODEL, "task.measure=true"), tmp_path)


@pytest.mark.parametrize(("ours", "theirs"), [("vit_h_14", "ViT-H-14"), ("vit_g_14", "ViT-g-14"), ("vit_l_14", "ViT-L-14")])
def test_large_models_have_as_many_parameters_as_open_clip_s(ours: str, theirs: str) -> None:
    open_clip = pytest.importorskip("open_clip")
    settings = open_clip.get_model_config(theirs)
    with torch.device("meta"):
        reference = open_clip.CLIP(**settings)
    cfg = compose_config(f"model={ours}", "model.text.vocab_size=49408", "tokenizer.context_length=77")
    method = outline_method(cfg, build(cfg["tokenizer"], "tokenizer"))
    assert sum(p.numel() for p in method.model.parameters()) == sum(p.numel() for p in reference.parameters())


def test_the_command_works_in_80_columns(run_py: RunPy) -> None:
    done = run_py("task=plan", "method=mae_clip", "task.table=true", "task.models=[tiny]", "task.devices=[1]")
    assert done.returncode == 0, done.stderr
    assert "samples/s" in done.stdout
