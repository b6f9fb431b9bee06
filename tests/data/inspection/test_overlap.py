"""What training data share with a benchmark: by name, and by looks against the package's own hashes and a slow search."""

from __future__ import annotations

import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from concord.data import BadSample
from concord.data.inspection import Hashes, Overlap, hashes_of, same_looks, same_names
from concord.data.inspection.overlap import NEAR
from concord.data.medical import MedicalImages
from concord.errors import DataError
from concord.types import Pair
from tests.data.medical.clinic import Clinic, clinic, exam
from tests.data.test_source import Telling


class Pictures:
    """Pictures with names."""

    def __init__(self, pictures: dict[str, Image.Image | None], access: str = "open", name: str = "pictures") -> None:
        self.pictures = pictures
        self.access = access
        self.name = name

    def __len__(self) -> int:
        return len(self.pictures)

    def key(self, index: int) -> str:
        return list(self.pictures)[index]

    def captions(self, index: int) -> tuple[str, ...]:
        return ("",)

    def __getitem__(self, index: int) -> Pair:
        picture = self.pictures[self.key(index)]
        if picture is None:
            raise BadSample("no image", self.key(index))
        return Pair(picture, self.captions(index), self.key(index), self.name)


def drawn(seed: int, size: int = 96) -> Image.Image:
    """Blobs that are like nothing that another seed draws."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


def looks_of(source: Pictures) -> Hashes:
    return hashes_of(source, range(len(source)), 0, lambda done: None)


def test_hashes_are_those_of_the_package() -> None:
    pictures = {str(seed): drawn(seed) for seed in range(4)}
    found = looks_of(Pictures({**pictures, "broken": None}))
    assert found.indices.tolist() == [0, 1, 2, 3]
    assert found.bits.tolist() == [imagehash.phash(picture).hash.ravel().tolist() for picture in pictures.values()]


def test_copies_of_another_size_and_compression_are_found_and_others_are_not() -> None:
    ours = Pictures({f"train {seed}": drawn(seed) for seed in range(30)})
    copies = {
        "smaller": drawn(3).resize((50, 50)),
        "squeezed": compressed(drawn(4), 25),
        "blurred": drawn(5).filter(ImageFilter.GaussianBlur(1)),
        "another": drawn(99),
        "mirrored": drawn(6).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "broken": None,
    }
    theirs = Pictures(copies)
    found = same_looks(Overlap(("test",), "theirs", 6), ours, looks_of(ours), theirs, looks_of(theirs))
    assert found.same_looks == 3
    assert found.such_as == (("train 3", "smaller"), ("train 4", "squeezed"), ("train 5", "blurred"))


@pytest.mark.parametrize(("ours", "theirs"), [("credentialed", "open"), ("open", "restricted")])
def test_examples_of_guarded_data_are_counted_and_not_named(ours: str, theirs: str) -> None:
    train, test = Pictures({"a": drawn(1)}, ours), Pictures({"b": drawn(1)}, theirs)
    found = same_looks(Overlap((), "test", 1), train, looks_of(train), test, looks_of(test))
    assert (found.same_looks, found.such_as) == (1, ())


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 5), st.just(64))), arrays(bool, st.tuples(st.integers(1, 5), st.just(64))), st.integers(0, 8))
def test_the_search_finds_what_a_slow_one_finds(ours: np.ndarray, theirs: np.ndarray, changed: int) -> None:
    if len(ours):
        theirs[0] = ours[-1]
        theirs[0, :changed] ^= True
    expected = sum(any(int((one != other).sum()) <= NEAR for one in ours) for other in theirs)
    sources = [Pictures({str(number): drawn(number) for number in range(len(bits))}, "restricted") for bits in (ours, theirs)]
    found = same_looks(
        Overlap((), "", 0), sources[0], Hashes(np.arange(len(ours)), ours), sources[1], Hashes(np.arange(len(theirs)), theirs)
    )
    assert found.same_looks == expected


def test_medical_data_are_compared_by_patient_and_by_picture_within_a_cohort(tmp_path: Path) -> None:
    exams = [exam(number, f"p{number // 2}", f"s{number}") for number in range(8)]
    train = clinic(tmp_path / "train", exams[:6], "credentialed")
    # Another release of it: other folders, another format, and one picture of a patient in training that is not there.
    moved = [exam(5, "p2", "s5"), exam(9, "p1", "s9"), exam(7, "p3", "s7")]
    test = MedicalImages(Clinic(tmp_path / "test", moved, cohort="clinic", name="release 2"))
    found = same_names(train, test)
    assert found == Overlap((), "release 2", 3, patients=3, same_patients=2, same_names=1)
    elsewhere = MedicalImages(Clinic(tmp_path / "test", moved, name="elsewhere"))
    assert same_names(train, elsewhere) == Overlap((), "elsewhere", 3, patients=3, same_patients=0, same_names=0)


def test_other_data_are_compared_within_data_sets_of_one_name() -> None:
    ours = Pictures({"a": None, "b": None})
    assert same_names(ours, Pictures({"b": None, "c": None})) == Overlap((), "pictures", 2, same_names=1)
    assert same_names(ours, Pictures({"b": None}, name="others")) == Overlap((), "others", 1)


def test_a_fault_over_guarded_pictures_is_no_unreadable_picture() -> None:
    class Faulty(Pictures):
        def __getitem__(self, index: int) -> Pair:
            raise KeyError("John")

    with pytest.raises(DataError, match=r"over restricted data: KeyError in test_overlap\.py") as error:
        looks_of(Faulty({"a": None}, "restricted"))
    assert "John" not in str(error.value)
    with pytest.raises(AssertionError, match="the image was read"):
        hashes_of(Telling(2), [0], 0, lambda done: None)
