"""HAM10000 with the test part of ISIC 2018."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv, write_picture

LESIONS = ["nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"]
ONE_HOT = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
METADATA = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]


def ham10000(root: Path, lesions: int = 1, pictures: int = 3) -> Path:
    """So many lesions of each kind with so many pictures each, every third of which lies in another folder."""
    folder = root / "ham10000"
    kinds = [kind for kind in LESIONS for _ in range(lesions)]
    rows = [
        [f"HAM_999{number // pictures:04}", f"ISIC_999{number:04}", kinds[number // pictures], "histo", "60.0", "male", "back"]
        for number in range(pictures * len(kinds))
    ]
    write_csv(folder / "HAM10000_metadata.csv", METADATA, rows)
    for number, row in enumerate(rows):
        write_picture(folder / f"HAM10000_images_part_{1 + (number % 3 == 2)}" / f"{row[1]}.jpg")
    return folder


def isic2018(root: Path, lesions: int = 1, pictures: int = 3) -> Path:
    """The same with a further picture of each kind, which a list with a column per kind has."""
    folder = ham10000(root, lesions, pictures)
    rows = [[f"ISIC_998{number:04}", *(float(name == ONE_HOT[number]) for name in ONE_HOT)] for number in range(len(ONE_HOT))]
    write_csv(folder / "ISIC2018_Task3_Test_GroundTruth.csv", ["image", *ONE_HOT], rows)
    for row in rows:
        write_picture(folder / "ISIC2018_Task3_Test_Input" / f"{row[0]}.jpg")
    return folder


FIXTURES: dict[str, Callable[[Path], object]] = {
    "ham10000": ham10000,
    "isic2018": isic2018,
    "isic2018_probe": partial(isic2018, lesions=101, pictures=1),
}
