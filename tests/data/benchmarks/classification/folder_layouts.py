"""Data sets in folders of classes, and ObjectNet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from concord.vocabularies import wordnet_ids
from tests.data.benchmarks.classification.drawn import SIDE, pixels, write_picture


def folders(root: Path, place: str, classes: Sequence[str], suffix: str = ".jpg", each: int = 1) -> None:
    for name in classes:
        for number in range(each):
            write_picture(root / place / name / f"{name}_{number}{suffix}")


def busi(root: Path) -> None:
    for name in ("benign", "malignant", "normal"):
        for file in (f"{name} (1).png", f"{name} (1)_mask.png", f"{name} (1)_mask_1.png"):
            write_picture(root / "busi/Dataset_BUSI_with_GT" / name / file)


def corrupted(root: Path) -> None:
    for corruption in ("fog", "gaussian_noise"):
        for severity in (1, 5):
            folders(root, f"imagenet-c/{corruption}/{severity}", wordnet_ids()[:2], ".JPEG")


BORDER = 2


def object_net(root: Path) -> None:
    """Three classes of ObjectNet, two of which ImageNet has too; each picture has its red border."""
    folder = root / "objectnet-1.0"
    names = {"alarm_clock": "Alarm clock", "banana": "Banana", "air_freshener": "Air freshener"}
    for name in names:
        whole = np.zeros((SIDE + 2 * BORDER, SIDE + 2 * BORDER, 3), dtype=np.uint8)
        whole[..., 0] = 255
        whole[BORDER:-BORDER, BORDER:-BORDER] = pixels(name)
        (folder / "images" / name).mkdir(parents=True)
        Image.fromarray(whole).save(folder / f"images/{name}/0a.png")
    mappings = folder / "mappings"
    mappings.mkdir()
    (mappings / "folder_to_objectnet_label.json").write_text(json.dumps(names))
    (mappings / "objectnet_to_imagenet_1k.json").write_text(json.dumps({"Banana": "banana", "Alarm clock": "analog clock; digital clock"}))


def pcam_pictures(root: Path) -> None:
    for number, label in enumerate([0, 1, 1, 0]):
        write_picture(root / f"unimed/PCam_Test_preprocessed/{number}_{label}.png")


BRAINS = {"glioma": "gl", "meningioma": "me", "notumor": "no", "pituitary": "pi"}


def brain_tumor_mri(root: Path) -> None:
    for part, start in (("Training", "Tr"), ("Testing", "Te")):
        for tumour, short in BRAINS.items():
            for name in (f"{start}-{short}_0010.jpg", f"{start}-{short}Tr_0009.jpg"):
                write_picture(root / "brain_tumor_mri" / part / tumour / name)
