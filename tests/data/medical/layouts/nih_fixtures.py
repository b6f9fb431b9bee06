"""NIH ChestX-ray14: its table with commas in the header, its pictures in several folders, and its official lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_picture, write_text
from tests.data.medical.layouts.files import phrased
from tests.data.named_sets import Named, put

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
"""As it is published: the brackets are no quotes, and the last column has no name."""

ROWS = [
    ("00009991_000.png", "Cardiomegaly|Effusion", "PA"),
    ("00009991_001.png", "No Finding", "AP"),
    ("00009992_000.png", "Pleural_Thickening", "PA"),
    ("00009993_000.png", "Hernia|Infiltration|Mass", "PA"),
    ("00009994_000.png", "No Finding", "AP"),
    ("00009994_001.png", "Cardiomegaly", "PA"),
    ("00009995_000.png", "Hernia|Pleural_Thickening", "PA"),
    *((f"0000{9900 + patient}_{visit:03}.png", ("Cardiomegaly", "Hernia", "No Finding")[(patient + visit) % 3], "PA")
      for patient in range(24) for visit in range(2)),
]  # fmt: skip
"""Pictures, findings and views. The first 7 are of the test list, the others of 24 patients of the other one."""

TEST = 7


def nih(root: Path) -> None:
    folder = root / "nih"
    rows = [f"{image},{found},{image[9:12]},{int(image[:8])},058Y,M,{view},2682,2749,0.143,0.143," for image, found, view in ROWS]
    write_text(folder / "Data_Entry_2017.csv", [HEADER, *rows])
    names = [image for image, _, _ in ROWS]
    write_text(folder / "test_list.txt", names[:TEST])
    write_text(folder / "train_val_list.txt", names[TEST:])
    for number, name in enumerate(names):
        write_picture(folder / f"images_{number % 2 + 1:03}/images/{name}")


def named(folder: Path) -> Named:
    """Six pictures of three patients for training, in two folders; what is not found in any is said too."""
    found = ["Cardiomegaly|Effusion", "No Finding", "Hernia", "Mass|Nodule", "No Finding", "Edema"]
    images = [f"0000999{number // 2}_{number % 2:03}.png" for number in range(6)]
    rows = [f"{image},{finding},0,{int(image[:8])},058Y,M,PA,2682,2749,0.143,0.143," for image, finding in zip(images, found, strict=True)]
    write_text(folder / "Data_Entry_2017.csv", [HEADER, *rows])
    write_text(folder / "train_val_list.txt", images)
    write_text(folder / "test_list.txt", ["00000009_000.png"])
    paths = [f"images_00{1 + number // 3}/images/{image}" for number, image in enumerate(images)]
    put(folder, paths)
    words = [["cardiomegaly", "pleural effusion"], ["no finding"], ["hernia"], ["mass", "nodule"], ["no finding"], ["edema"]]
    return Named(folder, {path: phrased(*own) for path, own in zip(paths, words, strict=True)})


FIXTURES: dict[str, Callable[[Path], None]] = {"nih_chest": nih}

NAMED = {"nih_chest": named}
