"""The script of a job, run by a real bash with an srun and a scontrol that write down what they were given."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.errors import IncompatibleError, LaunchError
from concord.launching import Run, Slurm, is_launched, job_script, process_index
from concord.launching.environment import LAUNCHED
from concord.launching.submission import Submitted, submit

PROGRAM = Path("/some where/run.py")
WILD = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two programs; srun ends with $CODE."""
    folder = tmp_path_factory.mktemp("tools")
    said = 'printf "%s\\0" "$@" > "$SAID/$(basename "$0")"'
    for name, end in (("srun", f'printf %s "${LAUNCHED}" > "$SAID/launched"; exit "${{CODE:-0}}"'), ("scontrol", "exit 0")):
        (folder / name).write_text(f"#!/bin/bash\n{said}\n{end}\n")
        (folder / name).chmod(0o755)
    return folder


def execute(text: str, tools: Path, said: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    said.mkdir(exist_ok=True)
    for old in said.iterdir():
        old.unlink()
    values = {"PATH": f"{tools}:{os.environ['PATH']}", "SAID": str(said), "SLURM_JOB_ID": "7", **environment}
    return subprocess.run(["bash"], input=text, env=values, cwd=said, capture_output=True, text=True, timeout=60, check=False)


def given_to(name: str, said: Path) -> list[str]:
    return (said / name).read_bytes().decode().split("\0")[:-1]


def run_of(folder: str | Path, *arguments: str, **slurm: object) -> Run:
    return Run(Path(folder), arguments, Slurm(**slurm))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=st.lists(WILD, max_size=4), name=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=20))
def test_any_argument_arrives_as_it_was(arguments: list[str], name: str, tools: Path, tmp_path: Path) -> None:
    folder = tmp_path / f"run{name}"
    done = execute(job_script([run_of(folder, *arguments)], PROGRAM), tools, tmp_path / "said")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = given_to("srun", tmp_path / "said")
    assert said[said.index(sys.executable) :] == [sys.executable, "-u", str(PROGRAM), *arguments]
    assert (tmp_path / "said" / "launched").read_text() == str(folder)
    assert sorted(path.name for path in (tmp_path / "said").iterdir()) == ["launched", "srun"]  # nothing was executed by its name


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(WILD, min_size=2, max_size=5))
def test_each_element_of_an_array_gets_its_own(values: list[str], tools: Path, tmp_path: Path) -> None:
    text = job_script([run_of(tmp_path / str(n), value) for n, value in enumerate(values)], PROGRAM)
    for number, value in enumerate(values):
        execute(text, tools, tmp_path / "said", SLURM_ARRAY_TASK_ID=str(number))
        assert given_to("srun", tmp_path / "said")[-1] == value
        assert (tmp_path / "said" / "launched").read_text() == str(tmp_path / str(number))


def parameters(text: str) -> dict[str, str]:
    found = re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", text, flags=re.MULTILINE)
    return {name: value.strip("'") for name, value in found}


def test_what_slurm_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = {"account": "me", "partition": "long", "qos": "high", "constraint": "a100|h100", "exclude": "n[1-3]"}
    size = {"nodes": 4, "gpus_per_node": 8, "tasks_per_node": 8, "cpus_per_task": 6, "memory": "500G", "time": "2-00:00:00"}
    further = {"options": {"mail-type": "END", "exclusive": True}, "srun": {"container-image": "a b"}, "setup": ("module load cuda",)}
    text = job_script([run_of("/runs/100%", "method=clip", grace=300, job_name="a b", **wanted, **size, **further)], PROGRAM)
    assert parameters(text) == {
        **wanted,
        "job-name": "a b",
        "nodes": "4",
        "gpus-per-node": "8",
        "ntasks-per-node": "8",
        "cpus-per-task": "6",
        "mem": "500G",
        "time": "2-00:00:00",
        "mail-type": "END",
        "exclusive": "",
        "signal": "USR1@300",
        "requeue": "",
        "open-mode": "append",
        "chdir": str(tmp_path),
        "output": "/runs/100%%/slurm/%j.log",
    }
    assert text.index("module load cuda") < text.index("srun --kill-on-bad-exit=1 --label --cpus-per-task=6 '--container-image=a b'")


def test_a_sweep_is_one_array_with_a_limit() -> None:
    text = job_script([run_of(f"/sweep/{n}_clip", parallel=2) for n in range(5)], PROGRAM)
    assert parameters(text)["array"] == "0-4%2"
    assert parameters(text)["output"] == "/sweep/slurm/%A_%a.log"
    with pytest.raises(IncompatibleError, match=r"launcher\.nodes differs within the sweep"):
        job_script([run_of("/sweep/0"), run_of("/sweep/1", nodes=2)], PROGRAM)


def test_what_is_not_asked_for_is_left_to_the_cluster() -> None:
    text = job_script([run_of("/runs/a", gpus_per_node=0, tasks_per_node=2)], PROGRAM)
    assert not {"gpus-per-node", "mem", "time", "partition"} & parameters(text).keys()


def test_a_folder_that_would_end_a_line_is_refused() -> None:
    with pytest.raises(LaunchError, match="choose another name"):
        job_script([run_of("/runs/a\n#SBATCH --uid=0")], PROGRAM)


@pytest.mark.parametrize(
    ("code", "restarts", "requeued", "word"),
    [
        ("0", None, False, ""),
        ("75", None, True, "requeued"),
        ("138", "2", True, "requeued"),
        ("75", "3", False, "launcher.requeues=3"),
        ("143", None, False, "exit code 143"),
        ("137", None, False, "a process was killed"),
        ("2", None, False, "exit code 2"),
    ],
)
def test_what_comes_after_the_run(code: str, restarts: str | None, requeued: bool, word: str, tools: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    text = job_script([run_of(tmp_path, requeues=3)], PROGRAM)
    done = execute(text, tools, said, CODE=code, **({"SLURM_RESTART_COUNT": restarts} if restarts else {}))
    assert word in done.stdout
    assert done.returncode == (0 if requeued else int(code))
    assert (said / "scontrol").exists() == requeued
    if requeued:
        assert given_to("scontrol", said) == ["requeue", "7"]


def test_one_element_of_an_array_is_requeued_alone(tools: Path, tmp_path: Path) -> None:
    text = job_script([run_of(tmp_path / "0"), run_of(tmp_path / "1")], PROGRAM)
    execute(text, tools, tmp_path / "said", CODE="75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="1")
    assert given_to("scontrol", tmp_path / "said") == ["requeue", "7_1"]


def test_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="there is no sbatch here"):
        submit("text", [run_of(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_what_the_terminal_shows() -> None:
    one = Submitted("12", Path("/runs/a/slurm/job.sh"), (run_of("/runs/a"),)).describe()
    assert one.splitlines() == [
        "submitted job 12: /runs/a",
        "watch: squeue --job=12; tail -F /runs/a/slurm/12.log",
        "stop:  scancel 12",
    ]
    two = Submitted("12", Path("/runs/slurm/job.sh"), (run_of("/runs/0"), run_of("/runs/1"))).describe()
    assert "2 runs in /runs" in two
    assert "  1: /runs/1" in two
    assert "tail -F /runs/slurm/12_0.log" in two


def test_a_process_knows_its_job_and_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(LAUNCHED, str(tmp_path))
    assert is_launched(tmp_path)
    assert not is_launched(tmp_path / "other")
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert process_index() == 0
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert process_index() == 3
