"""`task=evaluate` with tests from the command line, as a user calls it: on a model of OpenCLIP and on a run, right and wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.benchmarks.walks.parity_data import write_data, write_random_model
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.conftest import RunPy

from concord.tasks import run

MINE = ("benchmark=off", "+test@benchmark.tasks.mine=wds", "trainer.accelerator=cpu", "task.cache=null")
CLASSES = (*MINE, "benchmark.tasks.mine.reader.path=classes")
CAPTIONS = ("+test@benchmark.tasks.captions=wds_captions", "benchmark.tasks.captions.reader.path=captions")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a model of OpenCLIP, a run of two steps, and data in CLIP_benchmark's layout."""
    folder = write_data(tmp_path_factory.mktemp("place"))
    write_random_model(folder / "open_clip")
    training = ("trainer.accelerator=cpu", "trainer.max_steps=2", "benchmark=off")
    run(compose_config(*SMALL_MODEL, *SMALL_DATA, *training), folder / "trained")
    shutil.copytree(folder / "classes", folder / "cut")
    shard = folder / "cut/test/1.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    return folder


@pytest.mark.parametrize("checkpoint", ["open_clip", "trained"])
def test_tests_from_the_command_line_make_a_table_and_a_page(checkpoint: str, place: Path, run_py: RunPy, tmp_path: Path) -> None:
    data = ("benchmark.tasks.mine.reader.path=classes", *CAPTIONS)
    quick = (
        "benchmark=quick",
        *MINE[1:],
        *(f"benchmark.tasks.{task}.reader.size=40" for task in ("zero_shot", "retrieval", "diagnostics")),
    )
    less = ("benchmark.tasks.compositional.reader.source.size=40", "benchmark.bootstrap=100", f"hydra.run.dir={tmp_path}")
    done = run_py("task=evaluate", f"checkpoint={checkpoint}", *quick, *data, *less, folder=place)
    assert done.returncode == 0, done.stderr[-3000:]
    for told in (
        "chance",
        "blind",
        "zero_shot/mine",
        "retrieval/mine",
        "retrieval/mine/text_to_image",
        "zero_shot/shapes",
        f"model: {checkpoint} ",
    ):
        assert told in done.stdout
    records = json.loads((tmp_path / "records.json").read_text())
    found = {(record["task"], record["dataset"]): record for record in records}
    assert set(found) == {(task, "shapes") for task in ("zero_shot", "retrieval", "compositional", "diagnostics")} | {
        ("zero_shot", "mine"),
        ("retrieval", "mine"),
    }
    assert found["zero_shot", "mine"]["n"] == 240
    assert all(record["low"] <= record["value"] <= record["high"] for record in records if record["low"] is not None)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/") > 10
    assert "zero_shot/mine/top1" in page
    assert "collapsed" in page


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("+test@benchmark.tasks.mine=cifra10",), "test=cifra10: there is no such option; did you mean cifar10"),
        ((*MINE, "benchmark.tasks.mine.reader.path=nowhere"), "nowhere/test/nshards.txt is missing"),
        ((*MINE, "benchmark.tasks.mine.reader.path=cut"), "cut/test/1.tar is cut off"),
        (
            (*MINE, "benchmark.tasks.mine.reader.path=classes", 'benchmark.tasks.mine.templates=["a photo"]'),
            "'a photo' lacks the placeholder {}",
        ),
        ((*CLASSES, "benchmark.tasks.mine.metric=[top1]"), "benchmark.tasks.mine.metric: there is no such key"),
    ],
)
def test_a_mistake_is_one_line(overrides: tuple[str, ...], message: str, place: Path, run_py: RunPy, tmp_path: Path) -> None:
    done = run_py("task=evaluate", "checkpoint=open_clip", *overrides, f"hydra.run.dir={tmp_path}", folder=place)
    assert done.returncode == 2, done.stderr[-3000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("concord: ")]
    assert message in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "records.json").exists()
