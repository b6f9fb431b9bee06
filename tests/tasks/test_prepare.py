"""`task=prepare` as a user runs it: convert, train on the result, be killed and go on, check, and be told what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from tests.composing import SMALL_MODEL, compose_config
from tests.conftest import ROOT, RunPy
from tests.data.samples import encode, write_tar
from tests.tasks.emoji import EMOJI, write_emoji

from concord.data import Parquet, Shards
from concord.errors import ConcordError
from concord.tasks import run
from concord.tasks.prepare import without_splits

TRAINING = (*SMALL_MODEL, "data.batch_size=8", "data.workers=0", "trainer.accelerator=cpu", "trainer.log_every=1", "trainer.max_steps=6")
UNMEASURED = ("benchmark=off", "callbacks.checkpoints.monitor=null")
MEASURED = ("benchmark.bootstrap=100", "callbacks.benchmark.every_n_steps=6", "callbacks.checkpoints.every_n_steps=6")


def prepare(folder: Path, *overrides: str) -> None:
    run(compose_config("task=prepare", "task.workers=0", *overrides), folder)


def losses(folder: Path) -> list[float]:
    table = pd.read_csv(folder / "metrics.csv")
    return table["loss"].dropna().tolist()


def train(folder: Path, *overrides: str) -> list[float]:
    run(compose_config("experiment=emoji", *TRAINING, *overrides), folder)
    return losses(folder)


@pytest.mark.parametrize("form", ["parquet", "shards"])
def test_training_on_what_was_made_of_shards_is_the_same_to_the_bit(tmp_path: Path, form: str) -> None:
    shards = write_emoji(tmp_path / "emoji")
    prepare(tmp_path, "data=emoji", f"data.path={shards}", f"output={tmp_path / 'made'}", f"task.format={form}", "task.per_file=25")
    made = (f"data.path={tmp_path / 'made'}", f"source@data.source.source={form}")
    made = made if form == "parquet" else (*made, "data.source.source.caption=json:captions")
    first, second = (train(tmp_path / name, *MEASURED, *where) for name, where in (("one", [f"data.path={shards}"]), ("two", made)))
    assert len(first) >= 6
    assert first == second
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    measured = [{name: value for name, value in values.items() if name.startswith("retrieval/")} for values in metrics]
    assert measured[0]
    assert measured[0] == measured[1]  # the held-out part is the same too


@pytest.mark.skipif(not EMOJI.is_dir(), reason="the emoji shards are not here")
def test_the_real_emoji_train_the_same_from_shards_and_from_parquet(run_py: RunPy, tmp_path: Path) -> None:
    done = run_py("task=prepare", "data=emoji", f"data.path={EMOJI}", "output=emoji", "task.format=parquet", "task.per_file=1000")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "prepared: emoji" in done.stdout
    assert [Parquet(str(tmp_path / "emoji")).key(0), len(Parquet(str(tmp_path / "emoji")))] == [Shards(str(EMOJI)).key(0), 3543]
    first = train(tmp_path / "one", *UNMEASURED, f"data.path={EMOJI}")
    second = train(tmp_path / "two", *UNMEASURED, f"data.path={tmp_path / 'emoji'}", "source@data.source.source=parquet")
    assert len(first) == 6
    assert first == second


def test_only_the_named_part_is_written_where_that_is_asked_for(tmp_path: Path) -> None:
    shards = write_emoji(tmp_path / "emoji")
    sizes = {}
    for whole in ("true", "false"):
        prepare(tmp_path, "data=emoji", f"data.path={shards}", f"output={tmp_path / whole}", f"task.whole={whole}")
        sizes[whole] = len(Parquet(str(tmp_path / whole)))
    assert sizes["true"] == 60
    assert 40 < sizes["false"] < 60


def test_painted_data_train_the_same_from_files(tmp_path: Path) -> None:
    small = (*TRAINING, *UNMEASURED, "data.source.size=24", "data.source.image_size=32")
    run(compose_config(*small), tmp_path / "painted")
    data = ("data=shapes", "data.source.size=24", "data.source.image_size=32")
    prepare(tmp_path, *data, f"output={tmp_path / 'made'}")
    stored = (*TRAINING, *UNMEASURED, "data=parquet", f"data.path={tmp_path / 'made'}")
    run(compose_config(*stored, "augmentation@data.augmentation=shapes", "order@data.order=shuffle"), tmp_path / "stored")
    assert losses(tmp_path / "painted") == losses(tmp_path / "stored")


def test_a_mixture_becomes_one_data_set(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tar(
            tmp_path / name / "0.tar", [member for i in range(4) for member in ((f"{i}.png", encode(i)), (f"{i}.txt", f"{name} {i}"))]
        )
    sources = [f"+source@data.source.sources.{name}=shards" for name in ("a", "b")]
    paths = [f"data.source.sources.{name}.path={tmp_path / name}" for name in ("a", "b")]
    prepare(tmp_path, "data=mixture", *sources, *paths, f"output={tmp_path / 'made'}")
    table = pd.read_parquet(tmp_path / "made" / "00000.parquet")
    assert table["source"].tolist() == ["a"] * 4 + ["b"] * 4
    assert [captions[0]["text"] for captions in table["caption"]] == [f"{name} {i}" for name in ("a", "b") for i in range(4)]


def test_filters_apply(tmp_path: Path) -> None:
    members = [member for i in range(6) for member in ((f"{i}.png", encode(i, size=10 + i)), (f"{i}.txt", f"caption {i}"))]
    write_tar(tmp_path / "in" / "0.tar", members)
    chosen = ("+filter@data.filters.size=image_size", "data.filters.size.min_side=13", "data.filter_cache=null")
    prepare(tmp_path, "data=shards", f"data.path={tmp_path / 'in'}", *chosen, f"output={tmp_path / 'out'}")
    assert pd.read_parquet(tmp_path / "out" / "00000.parquet")["key"].str[-1].tolist() == ["3", "4", "5"]


def test_a_killed_run_leaves_nothing_half_and_goes_on(tmp_path: Path) -> None:
    shards = write_emoji(tmp_path / "emoji", 1200)
    overrides = ("task=prepare", "data=emoji", f"data.path={shards}", "task.per_file=10", "task.workers=1")
    line = [sys.executable, str(ROOT / "run.py"), *overrides, f"output={tmp_path / 'made'}"]
    log = (tmp_path / "log.txt").open("w")
    process = subprocess.Popen(
        line, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, start_new_session=True
    )
    state = tmp_path / "made.unfinished" / ".state"
    deadline = time.monotonic() + 120
    while not (state / "00020.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists(), (tmp_path / "log.txt").read_text()[-3000:]
    assert not (tmp_path / "made").exists()
    done = len(list(state.glob("[0-9]*.json")))
    assert 20 < done < 120
    first = tmp_path / "made.unfinished" / "00000.parquet"
    written = first.stat().st_mtime_ns
    prepare(tmp_path, *overrides[1:], "task.workers=0", f"output={tmp_path / 'made'}")
    assert (tmp_path / "made" / "00000.parquet").stat().st_mtime_ns == written
    prepare(tmp_path, *overrides[1:], "task.workers=0", f"output={tmp_path / 'whole'}")
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("made", "whole")]
    assert contents[0] == contents[1]


def test_a_folder_is_checked_and_its_fault_is_one_line(run_py: RunPy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_emoji(tmp_path / "emoji")
    prepare(tmp_path, "data=shards", f"data.path={shards}", f"output={tmp_path / 'made'}", "task.format=shards", "task.per_file=20")
    prepare(tmp_path, f"task.verify={tmp_path / 'made'}")
    assert "prepared: " in capsys.readouterr().out.splitlines()[-1]
    (tmp_path / "made" / "00001.tar").write_bytes(b"other")
    done = run_py("task=prepare", "task.verify=made")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("concord: made/00001.tar has changed since it was written")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"output has no value; give one, as in task=prepare data=shards data.path=... output=FOLDER"),
        (["output=out", "task.format=zip"], r"task.format: expected one of parquet, shards, got 'zip'"),
        (["output=out", "task.per_file=0"], r"task.per_file must be at least 1, got 0"),
        (["output=out", "task.quality=0"], r"task.quality must lie in 1..100, got 0"),
        (["output=out", "task.workers=-1"], r"task.workers must be at least 0, got -1"),
        (["output=s3://bucket/out"], r"output: s3://bucket/out is a URL; prepare into a local folder"),
        (["output=out", "data=shards", "data.path=nowhere"], r"nowhere"),
        (["output=.", "data.source.size=3"], r"output: . holds something else; choose an empty or a new folder"),
        (["task.verify=nowhere"], r"nowhere is not a prepared folder: it has no manifest.json"),
        (["output=out", "runs=x"], r"runs is not read by task=prepare; remove it"),
    ],
)
def test_wrong_values_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("something")
    with pytest.raises(ConcordError, match=message) as caught:
        prepare(tmp_path, *overrides)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_splits_are_taken_out_wherever_they_stand() -> None:
    inner = {"_target_": "concord.data.Shards", "path": "x"}
    split = {"_target_": "concord.data.HashSplit", "part": "train", "source": inner}
    whole = without_splits({"source": {"sources": {"a": split, "b": [split]}, "n": 1}})
    assert whole == {"source": {"sources": {"a": inner, "b": [inner]}, "n": 1}}
