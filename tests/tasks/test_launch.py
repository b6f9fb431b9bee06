"""What is sent to a cluster is checked before, and the script of a job comes from the same command line as the run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.composing import SMALL, compose_config
from tests.conftest import RunPy

from concord.errors import ConcordError, MissingExtraError
from concord.launching import Run, job_script
from concord.launching.environment import LAUNCHED
from concord.tasks import to_launch

MISTAKES = [
    (("launcher=slurm", "trainer.devices=2"), "trainer.devices=2 and launcher.tasks_per_node=1 disagree; set launcher.gpus_per_node alone"),
    (("launcher=slurm", "trainer.nodes=2"), "trainer.nodes=2 and launcher.nodes=1 disagree; set launcher.nodes alone"),
    (("launcher=slurm", "trainer.accelerator=cpu"), "trainer.accelerator=cpu and launcher.gpus_per_node=1 disagree"),
    (
        ("launcher=slurm", "launcher.gpus_per_node=0", "launcher.tasks_per_node=1", "trainer.accelerator=gpu"),
        "set launcher.gpus_per_node=N",
    ),
    (("launcher=slurm", "launcher.gpus_per_node=0"), "launcher: tasks_per_node must be at least 1"),
    (("launcher=slurm", "launcher.nodes=many"), "launcher.nodes: expected int, got 'many'"),
    (("launcher=slurm", "launcher.time=soon"), "launcher: time must be minutes"),
    (("launcher=slurm", "launcher.options={nodes: 3}"), "launcher: options: nodes is set by launcher.nodes"),
    (("launcher=slurm", "launcher.nodes=2", "task=inspect"), "task=inspect works in one process"),
    (("launcher=slurm", "data.batch_size=1"), "data.batch_size=1 leaves method.objectives.clip without negatives"),
    (("dry_run=true",), "launcher=local has none; add launcher=slurm"),
    (("launcher=slurm", "dry_run=maybe"), "dry_run: expected true or false"),
    (("launcher=slurm", "runs=somewhere"), "runs is not read by task=train"),
]


@pytest.mark.parametrize(("overrides", "message"), MISTAKES)
def test_mistakes_are_found_before_the_queue(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    small = () if any(override.startswith("data.") for override in overrides) else [text for text in SMALL if "accelerator" not in text]
    with pytest.raises(ConcordError) as error:
        to_launch(compose_config(*small, *overrides), tmp_path, [])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_here_is_not_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert to_launch(compose_config(), tmp_path, []) is None
    monkeypatch.setenv(LAUNCHED, str(tmp_path))  # inside of its own job
    assert to_launch(compose_config("launcher=slurm"), tmp_path, []) is None


def test_what_a_job_is_told(tmp_path: Path) -> None:
    cfg = compose_config("launcher=slurm", "launcher.nodes=2", "launcher.gpus_per_node=4", "name=a", "trainer=ddp")
    assert (cfg["trainer"]["nodes"], cfg["trainer"]["devices"]) == (2, 4)
    run = to_launch(cfg, tmp_path, ["launcher=slurm", "resume=old", "dry_run=true", "hydra.run.dir=x"])
    assert run is not None
    assert run.arguments == ("launcher=slurm", "hydra.run.dir=x", "resume=auto")
    assert run.slurm.processes == 8
    assert run.slurm.job_name == "a"
    evaluation = to_launch(compose_config("launcher=slurm", "task=evaluate", "checkpoint=a.ckpt"), tmp_path, ["task=evaluate"])
    assert evaluation is not None
    assert evaluation.arguments == ("task=evaluate",)


def test_without_submitit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = to_launch(compose_config("launcher=slurm"), tmp_path, [])
    assert isinstance(run, Run)
    monkeypatch.setitem(__import__("sys").modules, "submitit.slurm.slurm", None)
    with pytest.raises(MissingExtraError, match=r"concord\[slurm\]"):
        job_script([run], tmp_path / "run.py")


def test_a_dry_run_prints_a_script_and_submits_nothing(run_py: RunPy, tmp_path: Path) -> None:
    done = run_py("task=launch", "dry_run=true", "experiment=quickstart", "name='it\\'s \"a\" $(touch x)'", "launcher.time=90")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("#!/bin/bash")
    assert "#SBATCH --time=90" in done.stdout
    assert "    experiment=quickstart\n" in done.stdout
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0
    assert not list(tmp_path.rglob("job.sh"))
    assert not (tmp_path / "x").exists()


def test_a_dry_sweep_is_one_array_with_a_folder_for_each(run_py: RunPy) -> None:
    done = run_py("-m", "launcher=slurm", "dry_run=true", "method=clip,siglip", *SMALL[:-2], "launcher.parallel=1")
    assert done.returncode == 0, done.stderr
    script = done.stdout[done.stdout.index("#!/bin/bash") :]
    assert script.count("#!/bin/bash") == 1
    assert "#SBATCH --array=0-1%1" in script
    for element, method in enumerate(("clip", "siglip")):
        assert f"/{element}_{method}\n" in script
        assert f"        method={method}\n" in script
    assert "/runs/default/" in script  # the sweep's folder is named after the chosen options too
