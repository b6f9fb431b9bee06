"""Mistakes on the command line: one line, exit code 2, the nearest valid names, and no data touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.errors import ConcordError, ConfigError
from concord.tasks import run
from tests.composing import SMALL, compose_config
from tests.conftest import RunPy

COMPOSITION = [
    (("trainer.max_stpes=5",), "trainer.max_stpes: there is no such key; did you mean trainer.max_steps"),
    (("method=sigclip",), "method=sigclip: there is no such option; did you mean siglip"),
    (("+objectve@method.objectives.x=mae",), "objectve: there is no such group; did you mean objective"),
    (("~method.objectives.simclr",), "method.objectives.simclr: there is no such key"),
    (("model.image=[",), "concord: "),
    (("benchmark=null",), "concord: "),
    (("resume=nothing",), "resume: nothing is not a run folder"),
]
"""Found while composing, through the real command."""

MISTAKES = [
    (("trainer.max_steps=many",), "trainer.max_steps: expected int, got 'many'"),
    (("model.image.pooling=clss",), "model.image.pooling: expected one of class, average, attention, cascade, queries, got 'clss'"),
    (("+data.batchsize=5",), "data.batchsize: no such key; did you mean batch_size?"),
    (("+model.image.dept=5",), "model.image.dept: no such key; did you mean depth"),
    (("method.objectives.clip.label_smoothing=2",), "method.objectives.clip: label_smoothing must lie in [0, 1), got 2"),
    (("model.image.name=vit_tinny_patch16_224",), "vit_tiny_patch16_224"),
    (("optimizer._target_=os.system",), "optimizer._target_: os.system lies outside concord, torch, lightning, timm"),
    (("+objective@method.objectives.captioning=captioning",), "method.objectives.captioning: "),
    (("model.text.context_length=16",), "model.text.context_length is 16 and captions may have tokenizer.context_length=64 tokens"),
    (("data.batch_size=1",), "data.batch_size=1 leaves method.objectives.clip without negatives"),
    (("trainer.accumulate=4",), "trainer.accumulate=4 would hide the negatives"),
    (("+traner.max_steps=5",), "traner: nothing reads this key; did you mean trainer"),
    (("callbacks.progress=null",), "callbacks.progress: expected a mapping with _target_, got None; ~callbacks.progress removes it"),
    (("runs=somewhere",), "runs is not read by task=train; remove it"),
    (("task=evaluate",), "checkpoint has no value; give one, as in task=evaluate checkpoint="),
    (("task=evaluate", "checkpoint=nothing.ckpt"), "nothing.ckpt"),
    (("task=report",), "runs has no value"),
    (("data=shards", "data.path=nowhere"), "nowhere"),
    (("data=shards",), "data.path has no value; give one, as in data.path=VALUE"),
    (("trainer.accelerator=gpu",), "PyTorch finds no GPU"),
]
"""Found by the tasks, before training."""


@pytest.mark.parametrize(("overrides", "message"), COMPOSITION)
def test_a_wrong_command_is_one_line_and_exit_code_2(run_py: RunPy, overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = run_py(*overrides)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_a_mistake_in_a_task_looks_the_same(run_py: RunPy) -> None:
    done = run_py("data.batch_size=1")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("concord: data.batch_size=1 leaves")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_range_of_shards_needs_no_second_quotes(run_py: RunPy) -> None:
    done = run_py("data=shards", "data.path=nowhere/it's-{07..09}.tar")
    assert done.stderr.startswith("concord: nowhere/it's-07.tar: no such file")


@pytest.mark.parametrize(("overrides", "message"), MISTAKES)
def test_a_wrong_value_names_its_key(overrides: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "accelerator=gpu" in overrides[0]:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    small = () if any(override.startswith(("task=", "data=")) for override in overrides) else SMALL
    with pytest.raises(ConcordError) as error:
        run(compose_config(*small, *overrides), tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "checkpoints").exists()


def test_impossible_parts_are_refused_before_data_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*arguments: object) -> None:
        raise AssertionError("the data was touched")

    monkeypatch.setattr("concord.data.Shapes.__getitem__", touched)
    with pytest.raises(ConfigError, match="decoder"):
        run(compose_config(*SMALL, "+objective@method.objectives.captioning=captioning"), tmp_path)


def test_help_shows_groups_and_examples(run_py: RunPy) -> None:
    done = run_py("--help")
    assert done.returncode == 0
    for text in ("method: clip, coca, convirt", "objective: align", "python run.py experiment=quickstart", "task=catalog"):
        assert text in done.stdout
    assert done.stdout.count("python run.py") >= 5


def test_a_refused_resumption_leaves_no_trace(run_py: RunPy, tmp_path: Path) -> None:
    record = tmp_path / "killed" / ".hydra" / "overrides.yaml"
    record.parent.mkdir(parents=True)
    record.write_text("- method=siglip\n")
    done = run_py("resume=killed", "data.batch_size=1")
    assert done.returncode == 2
    assert "data.batch_size=1 leaves method.objectives.siglip without negatives" in done.stderr
    assert record.read_text() == "- method=siglip\n"
