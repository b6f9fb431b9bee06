"""Nothing of patients is left in what runs write and print, and the search for it can fail."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import yaml

from tests.composing import SMALL_MODEL
from tests.conftest import ROOT
from tests.data.medical.hospital import COLUMNS, WORD, Hospital

SECRET = "a secret of the tests, long enough"

DRIVER = """
    import json, sys
    from pathlib import Path
    from concord.cli import main
    from concord.data.medical.layouts.mimic_cxr import MimicCXR

    MimicCXR.access = sys.argv[1]
    for command in json.loads(sys.argv[2]):
        fault, *arguments = command
        if fault:
            exec(fault)
        sys.argv = ["run.py", *arguments]
        try:
            print("exit code", main(Path(CONF)), flush=True)
        except Exception:
            import traceback
            traceback.print_exc()
"""

FAULT = """
from concord.data.views import Views
made = Views.example
def example(self, pair, epoch, index):
    if epoch > 0:
        raise RuntimeError(f"no idea what to do with {pair.captions}")
    return made(self, pair, epoch, index)
Views.example = example
"""
"""A fault of the program in mid-run, whose words repeat a report."""

REPAIR = "Views.example = made"

KEPT_BACK = "so no picture, text or path of it may be shown or copied"


def images(split: str, captions: bool) -> dict[str, Any]:
    """The configuration of a part of the hospital."""
    makers = {
        "report": {"_target_": "concord.data.medical.text.reports.Reports"},
        "labels": {"_target_": "concord.data.medical.text.labels.LabelCaptions", "dictionary": "chest_radiograph"},
    }
    layout = {
        "_target_": "concord.data.medical.layouts.mimic_cxr.MimicCXR",
        **dict.fromkeys(("images", "lists", "reports"), "${hospital}"),
        "suffix": ".dcm",
        "labels": "chexpert",
        "findings": {"_target_": "concord.data.medical.layouts.findings.Findings", "columns": COLUMNS},
    }
    decoder = {
        "_target_": "concord.data.medical.images.decoder.MedicalDecoder",
        "dicom": {"_target_": "concord.data.medical.images.dicom.Dicom"},
    }
    source = {"_target_": "concord.data.medical.MedicalImages", "layout": layout, "split": split, "decoder": decoder}
    return {**source, "captions": makers if captions else None}


def write_conf(folder: Path, hospital: Hospital) -> None:
    """Options `data=hospital` and `benchmark=hospital` in a folder that the command line adds."""
    data = {
        "defaults": [{"/loading@_here_": "default"}, {"/augmentation@augmentation": "medical"}, {"/order@order": "shuffle"}, "_self_"],
        "_target_": "concord.data.medical.MedicalDataModule",
        "path": str(hospital.folder),
        "source": images("train", True),
    }
    tests = {
        "findings": {"_target_": "concord.benchmarks.ZeroShotMultiLabel", "reader": images("test", False), "unit": "patient_id"},
        "reports": {"_target_": "concord.benchmarks.Retrieval", "reader": images("test", True)},
    }
    tests["findings"] |= {"templates": ["a chest X-ray with {}"], "negative_templates": ["a chest X-ray without {}"]}
    bench = {"_target_": "concord.benchmarks.Bench", "tasks": tests, "gallery": 16, "predictions": True}
    for group, content in (("data", data), ("benchmark", bench)):
        path = folder / group / "hospital.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(content, sort_keys=False).replace("${hospital}", str(hospital.folder))
        path.write_text(f"# For this test.\n{text}")


def commands(conf: Path) -> list[list[str]]:
    """What is run, each in a folder of its own, after a fault that is built in."""
    data = ("data=hospital", "data.batch_size=4", "data.max_bad_share=1", "data.stall_seconds=0.001", "data.filter_cache=null")
    every = (f"--config-dir={conf}", *SMALL_MODEL, "tokenizer.vocab_size=1000", "trainer.accelerator=cpu")
    common = (*every, *data, "benchmark=hospital")
    loggers = ("logger=[wandb,tensorboard]", "logger.wandb.mode=offline")
    train = (
        *common,
        "trainer.max_steps=6",
        "callbacks.benchmark.every_n_steps=3",
        "callbacks.checkpoints.every_n_steps=3",
        "trainer.log_every=1",
    )
    checkpoint = "checkpoint=train/checkpoints/last.ckpt"
    return [
        ["", *train, *loggers, "data.workers=1", "hydra.run.dir=train"],
        ["", *common, "task=evaluate", checkpoint, "task.cache=cache", "hydra.run.dir=evaluate"],
        ["", *common, "task=inspect", "task.workers=1", "task.overlap=looks", "data.source.split=all", "hydra.run.dir=inspect"],
        ["", *common, "task=profile_data", "task.workers=[1]", "task.batches=1", "task.seconds=1", "hydra.run.dir=profile"],
        ["", *every, "task=report", "runs=.", "output=report.html", "hydra.run.dir=report"],
        ["", *common, "task=negatives", "output=negatives.jsonl", "hydra.run.dir=negatives"],
        ["", *common, "task=prepare", "output=prepared", "task.workers=0", "hydra.run.dir=prepare"],
        [FAULT, *train, "data.workers=1", "hydra.run.dir=crash"],
        ["", *train, "data.workers=0", "hydra.run.dir=crash_here"],
        [REPAIR, *train, "data.max_bad_share=0", "trainer.max_steps=60", "hydra.run.dir=too_bad"],
        ["", *train, *loggers, "logger.wandb.media=true", "hydra.run.dir=asked"],
        ["", *common, "task=inspect", "task.gallery=8", "hydra.run.dir=gallery"],
        ["", *train, "data.source.split=all", "hydra.run.dir=overlapping"],
    ]


def ran(folder: Path, hospital: Hospital, access: str, wanted: slice) -> Path:
    """The folder that the commands left behind, with what they printed in `console.txt`."""
    write_conf(folder / "conf", hospital)
    output = folder / "output"
    output.mkdir()
    driver = textwrap.dedent(DRIVER).replace("CONF", repr(str(ROOT / "conf")))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CONCORD_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", driver, access, json.dumps(commands(folder / "conf")[wanted])]
    done = subprocess.run(command, cwd=output, env=environment, capture_output=True, text=True, timeout=600, check=False)
    (output / "console.txt").write_text(done.stdout + done.stderr)
    return output


def texts(content: bytes) -> Iterator[bytes]:
    """A file's content in small letters; of archives and tables also what is packed in them."""
    yield content.lower()
    if content[:2] == b"\x1f\x8b":
        yield from texts(gzip.decompress(content))
    if content[:4] == b"PAR1":
        yield str(pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()).lower().encode()
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from texts(archive.read(name))


def found(folder: Path, planted: set[str]) -> dict[str, list[str]]:
    """By file, what of the planted stands in its name or content."""
    leaks = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        said = [str(path.relative_to(folder)).lower().encode(), *texts(path.read_bytes())]
        if names := sorted(name for name in planted if any(name.encode() in text for text in said)):
            leaks[str(path.relative_to(folder))] = names
    return leaks


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    hospital = Hospital(tmp_path_factory.mktemp("archive"))
    hospital.write()
    hospital.damage()
    return hospital


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, hospital: Hospital) -> Path:
    return ran(tmp_path_factory.mktemp("guarded"), hospital, "credentialed", slice(None))


def test_the_runs_did_what_they_were_asked_for(guarded: Path) -> None:
    said = (guarded / "console.txt").read_text()
    assert said.count("exit code 0") == 5, said
    assert said.count("exit code 2") == 8
    assert said.count("RuntimeError in <string>, line 6; its words are kept back") == 2  # by a worker, and by this process
    assert "of 12 patients" in said
    assert "in stage read of example" in said  # the watchdog's line
    assert "bad example, another takes its place" in said
    assert "image cannot be decoded" in said
    assert "report is not UTF-8" in said
    assert "mimic_cxr is credentialed: none of its examples is shown" in said
    for wish in ("task=negatives", "task=prepare", "logger.wandb.media=true", "task.gallery=8"):
        assert f"concord: {wish}: mimic_cxr is credentialed, {KEPT_BACK}" in said
    record = json.loads((guarded / "train" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["bad_examples"].keys() == {"image cannot be decoded", "report is not UTF-8"}
    assert "6 of 6 patients of benchmark.tasks.findings are in the training data (mimic_cxr)" in said
    assert pyarrow.parquet.read_table(guarded / "evaluate" / "predictions.parquet").num_rows > 0


def test_inspection_counts_what_it_does_not_show(guarded: Path) -> None:
    numbers = json.loads((guarded / "inspect" / "data.json").read_text())
    shared = [(one["tasks"], one["patients"], one["same_patients"], one["same_names"], one["same_looks"]) for one in numbers["overlap"]]
    assert shared == [(["findings"], 6, 6, 6, 5), (["reports"], 6, 6, 6, 5)]  # one of the pictures cannot be read
    assert all(one["such_as"] == [] for one in numbers["overlap"])
    assert numbers["alarms"].keys() == {"date", "number"}
    assert all(WORD not in repeated["text"] for repeated in numbers["captions"]["most_repeated"])  # sentences made of labels
    assert {field["value"] for field in numbers["fields"].values()} == {None}
    page = (guarded / "inspect" / "data.html").read_text()
    assert "What may say who a patient is" in page
    assert "What the benchmark tests on" in page
    assert (
        "shared with mimic_cxr (findings): 6 of 6 patients, 6 of 6 pictures by name, 5 of 6 pictures by look"
        in (guarded / "console.txt").read_text()
    )


def test_nothing_of_patients_is_in_any_file_or_on_the_console(guarded: Path, hospital: Hospital) -> None:
    assert found(guarded, hospital.planted) == {}


def test_no_picture_of_a_patient_is_left(guarded: Path) -> None:
    files = [path for path in guarded.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if path.suffix in (".png", ".jpg", ".jpeg", ".dcm", ".gif")]
    assert not [path for path in files if b"data:image" in path.read_bytes()]
    assert json.loads((guarded / "train" / "gallery" / "gallery.json").read_text()) == []
    kinds = {figure["kind"] for figure in json.loads((guarded / "evaluate" / "figures.json").read_text()).values()}
    assert kinds <= {"reliability", "confusion", "curve", "histogram"}


def test_the_runs_are_for_their_owner_alone(guarded: Path) -> None:
    for run in ("train", "evaluate", "inspect", "profile", "crash", "too_bad"):
        assert (guarded / run).stat().st_mode & 0o077 == 0, run


def test_of_open_data_the_same_search_finds_all_of_it(tmp_path: Path, hospital: Hospital) -> None:
    left = ran(tmp_path, hospital, "open", slice(0, 5))
    leaks = found(left, hospital.planted)
    for file in ("console.txt", "train/train.log", "train/gallery/gallery.json", "train/report.html", "train/checkpoints/last.ckpt"):
        assert file in leaks
    for file in ("evaluate/predictions.parquet", "inspect/data.html", "inspect/data.json", "report.html"):
        assert file in leaks
    assert any(file.startswith("train/wandb/") for file in leaks)
    assert (left / "train").stat().st_mode & 0o077
    assert all(b"mimic_cxr" in path.read_bytes() for path in left.rglob("*.wandb"))  # what it holds is not packed
    assert {"zyxolith", "planted99999", hospital.patients[0]} <= set().union(*leaks.values())
    assert b"data:image" in (left / "train" / "report.html").read_bytes()
    assert list((left / "train" / "gallery").glob("*.png"))
