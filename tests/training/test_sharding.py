"""FSDP on two real processes (gloo): the weights of one process, exact resumption, and checkpoints that anybody can read."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

import concord
from concord.errors import CheckpointError, ConfigError, IncompatibleError
from concord.shards import folders_named
from concord.tasks.assemble import check_config
from concord.training import AtomicCheckpointIO, make_trainer, newest_good
from concord.training.checkpointing import remove_unnamed, shards_of
from concord.training.loggers.csv import read_rows
from concord.training.mirror import Mirror
from tests.composing import SMALL, compose_config
from tests.launched_processes import launch
from tests.training.sharded_runs import LONG, RUNS, crash_at, run


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all runs left behind that were split among two processes."""
    folder = tmp_path_factory.mktemp("split")
    crash_at(folder / "moved_in", 3, *LONG)
    launch("tests.training.sharded_runs:split_runs", 2, str(folder))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


def weights(folder: Path) -> dict[str, Tensor]:
    return concord.load(folder / "checkpoints" / "last.ckpt").model.state_dict()


def assert_equal(first: Path, second: Path, tolerance: float) -> None:
    ours, theirs = weights(first), weights(second)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("name", [name for name in RUNS if name != "lion"])
def test_split_training_ends_with_the_weights_of_one_process(name: str, split: Path, whole: Path) -> None:
    run(whole / name, *RUNS[name])
    assert_equal(split / name, whole / name, 1e-5)
    ours, theirs = (read_rows(root / name / "metrics.csv")[-1] for root in (split, whole))
    for metric in ("loss", "gradient_norm", "logit_scale", "learning_rate"):
        assert float(ours[metric]) == pytest.approx(float(theirs[metric]), rel=1e-5), metric


def test_a_step_by_signs_is_the_same(split: Path, whole: Path) -> None:
    run(whole / "lion", *RUNS["lion"])  # its steps are so long that weights may differ by one where a gradient is a rounding error
    ours, theirs = (read_rows(root / "lion" / "metrics.csv")[-1] for root in (split, whole))
    assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4)
    first, second = weights(split / "lion"), weights(whole / "lion")
    differing = sum(int((first[name] - second[name]).abs().gt(1e-6).sum()) for name in first)
    assert differing < 0.02 * sum(tensor.numel() for tensor in first.values())


def test_benchmarks_measure_the_whole_model_on_all_processes(split: Path, whole: Path) -> None:
    if not (whole / "lora" / "metrics.json").is_file():
        run(whole / "lora", *RUNS["lora"])
    ours, theirs = (json.loads((root / "lora" / "metrics.json").read_text()) for root in (split, whole))
    measured = [name for name in theirs if name.startswith(("zero_shot/", "retrieval/"))]
    assert measured
    assert all(ours[name] == pytest.approx(theirs[name], abs=1e-3) for name in measured)


def test_a_stopped_run_resumes_exactly(split: Path) -> None:
    assert_equal(split / "stopped", split / "clip", 0.0)
    ours, theirs = (read_rows(split / name / "metrics.csv") for name in ("stopped", "clip"))
    assert [row["loss"] for row in ours] == [row["loss"] for row in theirs]
    files = AtomicCheckpointIO()
    first, second = (files.load_checkpoint(split / name / "checkpoints" / "last.ckpt") for name in ("stopped", "clip"))
    for kind in ("state_dict", "averaged_weights"):
        assert all(torch.equal(first[kind][name], second[kind][name]) for name in second[kind])
    states = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (first, second)]
    assert all(torch.equal(states[0][i][key], states[1][i][key]) for i in states[1] for key in states[1][i])


def test_one_process_and_many_go_on_with_the_checkpoints_of_one_another(split: Path, whole: Path) -> None:
    assert_equal(split / "moved_in", split / "clip", 1e-5)
    shutil.copytree(split / "moved_out", whole / "moved_out")
    run(whole / "moved_out", *LONG)
    assert_equal(whole / "moved_out", split / "clip", 1e-5)


def test_each_process_writes_its_part_and_nothing_is_left_over(split: Path) -> None:
    folder = split / "clip" / "checkpoints"
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "last.ckpt"
    assert names[-1] == "step_000000004.ckpt"
    assert len(names) == 5  # both names of the last checkpoint share one folder of tensors, and the one before has its own
    parts = sorted(path.stat().st_size for path in (folder / names[1]).glob("*.distcp"))
    assert len(parts) == 2
    assert parts[0] > 0.7 * parts[1]
    assert (folder / "last.ckpt").stat().st_size < 0.2 * sum(parts)


def test_a_mirror_holds_what_its_checkpoints_name(split: Path, whole: Path) -> None:
    mirror = split / "stopped_mirror" / "checkpoints"
    assert [path.name for path in sorted(mirror.glob("*.ckpt"))] == ["step_000000002.ckpt", "step_000000004.ckpt"]
    files = [path for path in (split / "stopped" / "checkpoints").glob("shards_*/*") if path.is_file()]
    assert sum(1 for path in mirror.glob("shards_*/*")) == len(files) == 6
    for path in files:
        assert (mirror / path.relative_to(split / "stopped" / "checkpoints")).read_bytes() == path.read_bytes()
    shutil.copytree(mirror.parent, whole / "fetched")
    (whole / "fetched" / "checkpoints" / "step_000000004.ckpt").unlink()
    run(whole / "fetched", *LONG, f"resume={whole / 'fetched'}")
    assert_equal(whole / "fetched", split / "clip", 1e-5)
    (left,) = (whole / "fetched" / "checkpoints").glob("shards_*")
    assert shards_of(whole / "fetched" / "checkpoints" / "step_000000002.ckpt") == {left.name}


def test_old_ones_of_a_mirror_go_with_their_shards(split: Path, tmp_path: Path) -> None:
    place = tmp_path / "mirror" / "checkpoints"
    for name in ("clip", "siglip", "silc"):
        run_folder = tmp_path / name
        shutil.copytree(split / name / "checkpoints", run_folder / "checkpoints")
        number = {"clip": 4, "siglip": 5, "silc": 6}[name]
        step = run_folder / "checkpoints" / f"step_{number:09d}.ckpt"
        shutil.copyfile(run_folder / "checkpoints" / "last.ckpt", step)
        mirror = Mirror(f"file://{tmp_path / 'mirror'}")  # a process of its own, that does not know what was copied before
        mirror.copy(run_folder, step, is_best=False)
        mirror.close()
    assert sorted(path.name for path in place.glob("*.ckpt")) == ["step_000000005.ckpt", "step_000000006.ckpt"]
    named = {shards for path in place.glob("*.ckpt") for shards in shards_of(path)}
    assert {path.name for path in place.glob("shards_*")} == named
    assert len(named) == 2


def copied(split: Path, folder: Path) -> tuple[Path, Path]:
    """A checkpoint of its own and its folder of tensors, to be damaged."""
    shutil.copytree(split / "siglip" / "checkpoints", folder)
    return folder / "last.ckpt", next(folder.glob("shards_*"))


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_damaged_shards_are_fallen_back_from(split: Path, tmp_path: Path) -> None:
    shutil.copytree(split / "clip" / "checkpoints", tmp_path / "checkpoints")
    folder = tmp_path / "checkpoints"
    assert newest_good(folder) == folder / "last.ckpt"
    (of_last,) = folders_named(AtomicCheckpointIO().read(folder / "last.ckpt"))
    part = max((folder / of_last).glob("*.distcp"), key=lambda file: file.stat().st_size)
    flip_a_bit(part, part.stat().st_size // 2)
    with pytest.warns(UserWarning, match=r"a tensor in shards_\w+/.*not as it was written.*going on from .*step_000000002.ckpt.*2 steps"):
        assert newest_good(folder) == folder / "step_000000002.ckpt"
    shutil.rmtree(folder / of_last)
    with pytest.warns(UserWarning, match=r"going on from .*step_000000002.ckpt"):
        assert newest_good(folder) == folder / "step_000000002.ckpt"


def test_shards_of_a_damaged_checkpoint_are_not_taken_for_left_over(split: Path, tmp_path: Path) -> None:
    shutil.copytree(split / "clip" / "checkpoints", tmp_path / "checkpoints")
    folder = tmp_path / "checkpoints"
    shards = sorted(folder.glob("shards_*"))
    (folder / "shards_left_over").mkdir()
    older = folder / "step_000000002.ckpt"
    whole = older.read_bytes()
    older.write_bytes(whole[:100])
    remove_unnamed(folder)
    assert sorted(folder.glob("shards_*")) == sorted([*shards, folder / "shards_left_over"])
    older.write_bytes(whole)
    remove_unnamed(folder)
    assert sorted(folder.glob("shards_*")) == shards


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(split: Path) -> None:
    folder = split / "full"
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    assert sorted(path.name for path in (folder / "checkpoints").glob("*.ckpt")) == ["last.ckpt", "step_000000002.ckpt"]
    assert len(list((folder / "checkpoints").glob("shards_*"))) == 1
    assert weights(folder)


class _Code:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code was run",)


def test_damaged_and_hostile_shards_are_refused(split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, shards = copied(split, tmp_path / "hostile")
    (shards / ".metadata").write_bytes(pickle.dumps(_Code()))
    with pytest.raises(CheckpointError, match="is damaged, or holds code, which is never loaded"):
        concord.load(path)
    assert "code was run" not in capsys.readouterr().out
    path, shards = copied(split, tmp_path / "cut")
    part = max(shards.glob("*.distcp"), key=lambda file: file.stat().st_size)
    part.write_bytes(part.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="is damaged"):
        concord.load(path)
    path, shards = copied(split, tmp_path / "alone")
    shutil.rmtree(shards)
    with pytest.raises(CheckpointError, match=r"should be here; copy the folder beside the \.ckpt file"):
        concord.load(path)


def test_what_cannot_be_split_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lamb", "adafactor", "muon"):
        with pytest.raises(IncompatibleError, match=r"looks at whole matrices.*use optimizer=adamw, optimizer=lion"):
            check_config(compose_config(*SMALL, "trainer=fsdp", f"optimizer={name}"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"strategy=fsdp knows no gradient scaler.*use trainer\.precision=bf16"):
        make_trainer(max_steps=1, precision="16", strategy="fsdp", folder=tmp_path)
