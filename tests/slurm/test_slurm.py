"""Runs on a real SLURM of two nodes: many processes equal one, a run that is stopped equals one that is not, failures end."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.commands import run_command
from tests.composing import SMALL_MODEL
from tests.slurm.cluster import Cluster

DATA = ("data.source.size=256", "data.source.image_size=32", "data.batch_size=8", "data.workers=0", "benchmark=off")
# Adam divides by the size of the gradient; with its usual eps it makes rounding errors of gradients that are zero as large as any.
NUMBERS = ("optimizer.eps=1e-3", "trainer.max_steps=60", "trainer.log_every=1", "trainer.accelerator=cpu")
CHECKPOINTS = ("callbacks.checkpoints.every_n_steps=5", "callbacks.checkpoints.keep=20")
RUN = (*SMALL_MODEL, *DATA, *NUMBERS, *CHECKPOINTS)
# Both nodes are this machine, whose name and whose network's name gloo would look for.
ONE_MACHINE = "launcher.setup=['export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo']"
ON_CPU = ("launcher=slurm", "launcher.gpus_per_node=0", "launcher.tasks_per_node=1", "launcher.cpus_per_task=1", ONE_MACHINE)
TWO_NODES = (*ON_CPU, "launcher.nodes=2", "launcher.time=10")


def launch(cluster: Cluster, folder: Path, *arguments: str) -> str:
    """Submit with `run.py` in an empty folder; gives the job's id."""
    done = run_command(*arguments, folder=folder, variables=cluster.environment)
    assert done.returncode == 0, done.stderr
    submitted = re.search(r"^submitted job (\d+): ", done.stdout, flags=re.MULTILINE)
    assert submitted is not None, done.stdout
    return submitted[1]


def weights(folder: Path, name: str = "step_000000060") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]  # type: ignore[no-any-return]


def log_of(folder: Path, job: str) -> str:
    return (folder / "slurm" / f"{job}.log").read_text()


def losses(folder: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split(",")[:3]) for line in (folder / "metrics.csv").read_text().splitlines()]


def wait_for_steps(folder: Path, steps: int) -> None:
    until = time.monotonic() + 200
    while not (folder / "metrics.csv").is_file() or len(losses(folder)) <= steps:
        assert time.monotonic() < until, "the run does not begin"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run on two nodes that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = launch(cluster, folder, *TWO_NODES, *RUN, "hydra.run.dir=run")
    cluster.wait(job, "COMPLETED", timeout=300)
    return folder / "run"


def test_two_nodes_equal_one_process(undisturbed: Path, tmp_path: Path) -> None:
    done = run_command(*RUN, "hydra.run.dir=run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    two, one = weights(undisturbed), weights(tmp_path / "run")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5)
    assert max(float((value - weights(undisturbed, "step_000000005")[name]).abs().max()) for name, value in two.items()) > 1e-3
    record = json.loads((undisturbed / "run.json").read_text())
    assert (record["status"], record["processes"], record["steps"]) == ("finished", 2, 60)
    # The first process alone keeps the records of the command.
    assert "launcher.nodes=2" in (undisturbed / ".hydra" / "overrides.yaml").read_text()
    assert not (undisturbed.parent / "runs").exists()


def test_stopped_in_mid_epoch_and_by_a_lost_node(cluster: Cluster, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = launch(cluster, tmp_path, *TWO_NODES, *RUN, "data.workers=1", "logger=wandb", "hydra.run.dir=run")
    wait_for_steps(run, 7)
    cluster.run("scancel", "--signal=USR1", job)
    cluster.wait(job, "PENDING", timeout=60)
    assert json.loads((run / "run.json").read_text())["status"] == "preempted"
    stopped = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert 7 <= stopped < 60
    dashboard = (run / "wandb_run_id").read_text()
    wait_for_steps(run, stopped + 2)
    cluster.run("scontrol", "update", "NodeName=node2", "State=DOWN", "Reason=test")
    cluster.wait(job, "PENDING", timeout=60)
    cluster.run("scontrol", "update", "NodeName=node2", "State=RESUME")
    found = cluster.wait(job, "COMPLETED", timeout=300)
    assert found["Restarts"] == "2"
    log = log_of(run, job)
    assert f"stopped by SIGUSR1 after step {stopped}" in log
    assert f"going on after {stopped}" in log
    assert "DUE TO NODE FAILURE" in log
    assert "Traceback" not in log.partition("Node failure")[0]  # W&B's own process is ended with the node
    expected, got = weights(undisturbed), weights(run)
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    assert losses(run) == losses(undisturbed)
    assert (run / "wandb_run_id").read_text() == dashboard
    offline = list((run / "wandb").glob("offline-run-*"))
    assert offline
    assert all(folder.name.endswith(dashboard) for folder in offline)


def test_a_killed_process_ends_the_job(cluster: Cluster, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = launch(cluster, tmp_path, *TWO_NODES, *RUN, "trainer.max_steps=100000", "hydra.run.dir=run")
    wait_for_steps(run, 3)
    os.kill(process_of(run, rank=1), signal.SIGKILL)
    killed = time.monotonic()
    found = cluster.wait(job, "FAILED", timeout=60)
    assert time.monotonic() - killed < 60
    assert found["ExitCode"] == "137:0"
    log = log_of(run, job)
    assert "node2: task 1: Killed" in log
    assert "concord: a process was killed" in log


def process_of(run: Path, rank: int) -> int:
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if (environment.get("CONCORD_LAUNCHED"), environment.get("SLURM_PROCID")) == (str(run), str(rank)):
            return process.pid
    raise AssertionError("there is no such process")


def test_a_sweep_is_one_array(cluster: Cluster, tmp_path: Path) -> None:
    few = ("trainer.max_steps=2", "method=clip,siglip", "launcher.parallel=2", "hydra.sweep.dir=sweep")
    job = launch(cluster, tmp_path, "-m", *ON_CPU, *RUN, *few)
    for element, method in enumerate(("clip", "siglip")):
        cluster.wait(f"{job}_{element}", "COMPLETED", timeout=300)
        folder = tmp_path / "sweep" / f"{element}_{method}"
        assert json.loads((folder / "run.json").read_text())["status"] == "finished"
        assert f"loss/{method}" in (folder / "metrics.csv").read_text().splitlines()[0]
    assert sorted(path.name for path in (tmp_path / "sweep" / "slurm").iterdir()) == [f"{job}_0.log", f"{job}_1.log", "job.sh"]


def test_what_slurm_refuses_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    arguments = (*ON_CPU, *RUN, "launcher.partition=nowhere", "hydra.run.dir=run")
    done = run_command(*arguments, folder=tmp_path, variables=cluster.environment)
    assert done.returncode == 2
    assert done.stderr.startswith("concord: launcher=slurm: sbatch refused the job: invalid partition specified: nowhere")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
