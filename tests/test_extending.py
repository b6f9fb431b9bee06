"""`docs/extending.md` is followed word for word, in a copy of the project."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with every file that the page tells to write."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "run.py", folder)
    for _, text in blocks():
        if name := re.match(r"# file: (\S+)\n", text):
            path = folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[name.end() :])
    make_pictures(folder)
    return folder


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / "extending.md").read_text())


def commands() -> list[str]:
    return [line for language, text in blocks() if language == "bash" for line in text.splitlines() if line]


def make_pictures(folder: Path) -> None:
    """The pictures and the table that the page's data set reads."""
    rows = []
    for index in range(8):
        Image.fromarray(np.full((32, 32, 3), index * 30, np.uint8)).save(folder / f"{index}.png")
        rows.append({"filepath": f"{index}.png", "title": f"grey number {index}"})
    with (folder / "pictures.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_page_has_what_the_tests_follow() -> None:
    assert len(commands()) == 4
    assert sum("# file: " in text for _, text in blocks()) == 7


SMALL = {"data": "data.source.size=256", "benchmark": "benchmark=off"}
"""What is added to a command that does not choose an option of a group itself."""

CATALOG = "python run.py task=catalog"

DRIVER = """
import json, os, runpy, sys

import concord.tasks

for number, line in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if child == 0:
        for descriptor in (1, 2):
            os.dup2(os.open(f"said_{number}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
        sys.argv = line
        runpy.run_path(line[0], run_name="__main__")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs command lines, each in a process forked from one that has imported the copy."""


@pytest.fixture(scope="module")
def ended(project: Path) -> dict[str, tuple[int, str]]:
    """By command how it ended and what it wrote."""
    asked = [*commands(), CATALOG]
    lines = []
    for command in asked:
        _, *line = shlex.split(command)
        further = [value for key, value in SMALL.items() if command != CATALOG and f" {key}=" not in command]
        lines.append([*line, *further])
    done = run(project, sys.executable, "-c", DRIVER, json.dumps(lines))
    codes = [int(code) for code in done.stdout.split()]
    assert len(codes) == len(asked), done.stderr[-3000:]
    return {command: (code, (project / f"said_{n}.txt").read_text()) for n, (command, code) in enumerate(zip(asked, codes, strict=True))}


@pytest.mark.parametrize("command", commands())
def test_every_command_runs(project: Path, ended: dict[str, tuple[int, str]], command: str) -> None:
    code, said = ended[command]
    assert code == 0, said[-3000:]
    assert (project / "runs").is_dir()


def test_the_page_s_own_test_passes(project: Path) -> None:
    done = run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/functional/test_hinge.py")
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_catalog_lists_what_was_added(ended: dict[str, tuple[int, str]]) -> None:
    code, said = ended[CATALOG]
    assert code == 0, said[-3000:]
    assert "Faghri et al. 2018" in said
    assert "hinge_clip" in said
    assert "my_pictures" in said
