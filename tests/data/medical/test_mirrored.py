from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from concord.config import build
from concord.data import Augmentation, BadSample, Views
from concord.data.medical import Exam, Layout, MedicalImages, Mirrored
from concord.data.medical.parts import modalities_in, patients_in
from concord.data.medical.sides import exchange_sides
from concord.data.medical.unsafe import unsafe
from concord.data.phantoms import Phantoms
from concord.data.source import Blocked, Described, Fingerprinted, KeyedSource, Located
from concord.data.storage.storage import Storage
from concord.data.wrapper import Selection
from concord.images import Preprocess, decode
from concord.tokenizers import BPETokenizer
from concord.types import Caption, ImageView, Pair, TextView, role_of
from tests.data.samples import Grey, encode
from tests.data.test_source import Telling

ROOT = Path(__file__).resolve().parents[3]


class Kidneys:
    """One kidney each, drawn on the side that the caption names; the first is broken on request."""

    name = "kidneys"
    class_names = ("left kidney", "bladder", "right kidney")

    def __init__(self, kind: str = "array", access: str = "open") -> None:
        self.kind = kind
        self.access = access

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Pair:
        side = ("left", "right")[index % 2]
        picture = np.zeros((6, 8, 3), dtype=np.uint8)
        picture[1:3, 6 if side == "left" else 1] = 200  # seen from the front, left is on the right
        known = {"laterality": side, "label": 2 * (index % 2), "class_name": f"{side} kidney", "patient_id": "left-99999"}
        known["labels"] = [1 - index % 2, None, index % 2]
        return Pair(self._stored(picture), (Caption(f"A stone in the {side} kidney.", "findings"),), f"k{index}", self.name, known)

    def metadata(self, index: int) -> Mapping[str, Any]:
        return self[index].metadata

    def _stored(self, picture: np.ndarray) -> Any:
        if self.kind == "broken":
            return b"not a picture of patient99999"
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        return {"array": picture, "bytes": buffer.getvalue()}[self.kind]


@pytest.mark.parametrize("kind", ["array", "bytes"])
def test_each_example_is_followed_by_its_mirror_image_with_sides_exchanged(kind: str) -> None:
    source, mirrored = Kidneys(kind), Mirrored(Kidneys(kind))
    assert len(mirrored) == 8
    for index in range(4):
        plain, other = mirrored[2 * index], mirrored[2 * index + 1]
        assert np.array_equal(decode(plain.image), decode(source[index].image))
        assert np.array_equal(decode(other.image), np.asarray(decode(source[index].image))[:, ::-1])
        assert (plain.captions, plain.key, plain.metadata) == (source[index].captions, f"k{index}", source[index].metadata)
        assert (other.key, other.source) == (f"k{index}/mirrored", "kidneys")
        # The mirror image of a left kidney is what the next example shows: a right one.
        twin = source[index + 1 - 2 * (index % 2)]
        assert np.array_equal(decode(other.image), decode(twin.image))
        assert other.captions == twin.captions
        assert role_of(other.captions[0]) == "findings"
        assert other.metadata == twin.metadata


def test_it_tells_what_its_source_tells_without_reading_images() -> None:
    mirrored = Mirrored(Telling(40))
    assert [mirrored.key(index) for index in (0, 1, 79)] == ["key 0", "key 0/mirrored", "key 39/mirrored"]
    assert mirrored.captions(7) == ("caption 3",)
    assert mirrored.metadata(5) == {"index": 2}
    assert mirrored.location(79) == "shard 3"
    assert mirrored.block_sizes == [20] * 4
    assert mirrored.fingerprint() not in (None, Telling(40).fingerprint(), Mirrored(Telling(50)).fingerprint())
    assert Mirrored(Grey(3)).fingerprint() is None
    assert all(isinstance(mirrored, protocol) for protocol in (KeyedSource, Described, Located, Blocked, Fingerprinted))
    with pytest.raises(IndexError):
        mirrored[80]


def test_what_is_told_is_what_is_read() -> None:
    mirrored = Mirrored(Phantoms(size=6, image_size=32))
    for index in range(len(mirrored)):
        pair = mirrored[index]
        assert (mirrored.key(index), mirrored.captions(index)) == (pair.key, pair.captions)
        assert mirrored.metadata(index) == pair.metadata


def test_phantoms_report_the_other_side() -> None:
    """Trap 29: a flipped picture goes with exchanged text."""
    source = Phantoms(size=60, image_size=32, modalities=["chest_radiograph"])
    mirrored = Mirrored(source)
    sided = [index for index in range(60) if source.metadata(index)["laterality"] is not None]
    assert sided
    for index in sided:
        known, other = mirrored.metadata(2 * index), mirrored.metadata(2 * index + 1)
        assert {known["laterality"], other["laterality"]} == {"left", "right"}
        assert other["report"]["findings"] == exchange_sides(known["report"]["findings"]) != known["report"]["findings"]
        assert other["patient_id"] == known["patient_id"]


def test_an_image_that_cannot_be_decoded_is_a_bad_sample() -> None:
    with pytest.raises(BadSample, match="image cannot be decoded") as bad:
        Mirrored(Kidneys("broken"))[1]
    assert bad.value.key == "k0/mirrored"
    assert "cannot decode" in bad.value.detail
    with pytest.raises(BadSample) as bad:
        Mirrored(Kidneys("broken", "credentialed"))[1]
    assert bad.value.detail == ""
    assert Mirrored(Kidneys("broken", "credentialed")).access == "credentialed"


class Films(Layout):
    """Three radiographs of as many patients."""

    name, modality = "films", "radiograph"

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        for number in range(3):
            yield Exam(f"{number}.png", patient=f"patient9999{number}", split="train")


def films(folder: Path) -> MedicalImages:
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encode(number))
    return MedicalImages(Films(folder))


def agreement(recipe: Augmentation, tokenizer: BPETokenizer) -> float:
    """Share of views in which the kidney is on the side that the text names."""
    views = Views({"image": ImageView("a")}, {"caption": TextView("caption")}, {"a": recipe}, Preprocess(16, "squash"), tokenizer)
    mirrored, right = Mirrored(Kidneys()), []
    for epoch, index in itertools.product(range(20), range(len(mirrored))):
        example = views.example(mirrored[index], epoch, index)
        image = example.images["image"][0].float()
        shown = "left" if image[:, :, 8:].mean() > image[:, :, :8].mean() else "right"
        right.append(shown in example.texts["caption"][0])
    return sum(right) / len(right)


def test_without_flips_pictures_and_texts_of_both_twins_agree(tokenizer: BPETokenizer) -> None:
    """Trap 29: with the recipes for sided modalities they always do; with flips, about which the guard complains, they do not."""
    nodes = yaml.safe_load((ROOT / "conf/augmentation/ct.yaml").read_text())
    assert agreement(build(nodes["weak"], "augmentation.weak"), tokenizer) == 1
    flipping = Augmentation(flip=0.5)
    assert 0.35 < agreement(flipping, tokenizer) < 0.65
    assert [complaint.change for complaint in unsafe({"a": flipping}, ["ct"])] == ["horizontal flip"]


def test_patients_and_kinds_behind_mirrored_pictures_are_those_of_their_source(tmp_path: Path) -> None:
    images = films(tmp_path)
    assert patients_in(Mirrored(images)) == patients_in(images)
    chosen = Selection(Mirrored(images), np.array([0, 1, 5]))
    assert {len(patients) for patients in patients_in(chosen).values()} == {2}
    assert modalities_in(Mirrored(images)) == {"radiograph"}


def test_the_shipped_option_builds() -> None:
    node = yaml.safe_load((ROOT / "conf/source/mirrored.yaml").read_text())
    node["source"] = {"_target_": "concord.data.Phantoms", "size": 3, "image_size": 32}
    assert len(build(node, "source")) == 6
