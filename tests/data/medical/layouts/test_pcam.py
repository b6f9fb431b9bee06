"""PCam's HDF5 files, packed and not, by slide, and what preprocessing leaves of their middle."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.layouts import PCam
from concord.data.medical.layouts.pcam import file_name
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.images import Preprocess
from tests.data.medical.layouts.pcam_fixtures import COUNT, MIDDLE, TISSUE, TUMOUR, patch, pcam, slide_of


def test_parts_classes_and_slides(tmp_path: Path) -> None:
    folder = str(pcam(tmp_path))
    for split, part in (("train", "train"), ("validation", "valid"), ("test", "test")):
        images = MedicalImages(PCam(folder), split)  # type: ignore[arg-type]
        assert [images.metadata(index)["label"] for index in range(len(images))] == [0, 1, 0, 1]
        assert [images.metadata(index)["patient_id"] for index in range(COUNT)] == [slide_of(part, number) for number in range(COUNT)]
        assert all((np.asarray(images[number].image) == patch(part, number)).all() for number in range(COUNT))
        assert images.key(1) == f"{part}/1"
    assert images.class_names == ["lymph node", "lymph node containing metastatic tumor tissue"]


@pytest.mark.parametrize("resize", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [32, 96, 224])
def test_preprocessing_keeps_the_middle_that_decides(tmp_path: Path, resize: str, size: int) -> None:
    images = MedicalImages(PCam(str(pcam(tmp_path))), "test")
    side = size // 3
    for number, shade in ((0, TISSUE), (1, TUMOUR)):
        seen = np.asarray(Preprocess(size, resize=resize)(images[number].image)).astype(int)  # type: ignore[arg-type]
        seen = seen if seen.shape[0] == 3 else seen.transpose(2, 0, 1)
        assert seen.shape == (3, size, size)
        middle = seen[:, side + 2 : 2 * side - 2, side + 2 : 2 * side - 2]
        assert np.abs(middle - shade).max() <= 25, "the whole of the middle third is that of the picture"
        outside = np.concatenate([seen[:, : side - 3].ravel(), seen[:, 2 * side + 3 :].ravel()])
        assert outside.std() > 3 * middle.std()


def test_packed_files_are_unpacked_once_into_the_cache(tmp_path: Path) -> None:
    folder = pcam(tmp_path, packed=True)
    with pytest.raises(DataError, match=r"_y\.h5\.gz is packed; unpack it with gunzip, or give storage\.cache"):
        MedicalImages(PCam(str(folder)), "test")
    storage = Storage(cache=str(tmp_path / "cache"))
    for _ in range(2):
        images = MedicalImages(PCam(str(folder)), "test", storage=storage)
        assert (np.asarray(images[2].image) == patch("test", 2)).all()
        assert len(list((tmp_path / "cache/unpacked").iterdir())) == 6


def test_pictures_are_read_one_by_one_and_by_every_process_for_itself(tmp_path: Path) -> None:
    images = MedicalImages(PCam(str(pcam(tmp_path))), "test")
    opened = images.layout._sets  # type: ignore[attr-defined]
    assert list(opened) == [(os.getpid(), "test")]
    assert isinstance(opened[os.getpid(), "test"], h5py.Dataset)
    assert (np.asarray(pickle.loads(pickle.dumps(images))[3].image) == patch("test", 3)).all()
    child = os.fork()
    if child == 0:
        right = (np.asarray(images[1].image) == patch("test", 1)).all() and (os.getpid(), "test") in opened
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_slides_make_other_parts_and_without_them_nobody_does(tmp_path: Path) -> None:
    split = PatientSplit(validation=0.0, test=0.5, seed=1)
    layout = PCam(str(pcam(tmp_path)))
    parts = [MedicalImages(layout, part, split).patients() for part in ("train", "test")]  # type: ignore[arg-type]
    assert parts[0].isdisjoint(parts[1])
    assert len(parts[0] | parts[1]) == 6
    bare = PCam(str(pcam(tmp_path / "bare", meta=False)))
    assert len(MedicalImages(bare, "test")) == COUNT
    with pytest.raises(DataError, match="nothing says which"):
        MedicalImages(bare, "test", split)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    folder = pcam(tmp_path)
    x, y, meta = (folder / file_name("test", rest) for rest in ("x.h5", "y.h5", "meta.csv"))
    content = {file: file.read_bytes() for file in (x, y, meta)}

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            MedicalImages(PCam(str(folder)), "test")
        for file, original in content.items():
            file.write_bytes(original)

    meta.write_text("\n".join(meta.read_text().splitlines()[:-1]) + "\n")
    refused("3 rows for 4 pictures")
    x.write_bytes(b"no HDF5")
    refused("test_x.h5 is no HDF5 file")
    y.unlink()
    refused("test_y.h5 is missing")
    with h5py.File(y, "w") as file:
        file["y"] = np.full((COUNT, 1, 1, 1), 2)
    refused("labels must be 0 or 1")
    with h5py.File(x, "w") as file:
        file["x"] = np.zeros((COUNT, 95, 96, 3), np.uint8)
    refused(r"images must be uint8 \[4, 96, 96, 3\], got uint8 \[4, 95, 96, 3\]")
    with h5py.File(x, "w") as file:
        file["z"] = 0
    refused("test_x.h5 has no data set 'x'")
    x.unlink()
    x.with_suffix(".h5.gz").write_bytes(gzip.compress(content[x], mtime=0)[:-20])
    with pytest.raises(DataError, match="is not gzip, or its end is missing"):
        MedicalImages(PCam(str(folder)), "test", storage=Storage(cache=str(tmp_path / "cache")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="or other part of PCam in it"):
        MedicalImages(PCam(str(tmp_path / "empty")), "test")


def test_the_middle_of_the_fixture_is_what_the_label_says() -> None:
    assert (patch("test", 1)[MIDDLE, MIDDLE] == TUMOUR).all()
    assert (patch("test", 0)[MIDDLE, MIDDLE] == TISSUE).all()
