"""Data sets that are listed in a table, most of them medical."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.data.benchmarks.classification.drawn import write_csv, write_picture


def table(
    root: Path, file: str, header: Sequence[str], rows: Sequence[Sequence[Any]], image: int = 0, images: str = "", suffix: str = ""
) -> None:
    """A CSV file with the pictures that its rows name, which start from a folder below."""
    write_csv(root / file, header, rows)
    for row in rows:
        write_picture(root / images / f"{row[image]}{suffix}")


CHEXPERT_COLUMNS = [
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation"),
    *("Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
]


def chexpert_5x200(root: Path) -> None:
    header = ["", "imgpath", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_COLUMNS, "Report Impression"]
    found = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
    rows = [
        [number, f"CheXpert-v1.0-small/train/patient{number:05d}/study1/view1_frontal.jpg", "Male", 50, "Frontal", "AP"]
        + [float(column == finding) for column in CHEXPERT_COLUMNS]
        + ["1. A line,\nand another."]
        for number, finding in enumerate(found)
    ]
    table(root, "unimed/local_data/chexpert-5x200.csv", header, rows, 1, "unimed/chexpert")


def chexpert(root: Path) -> None:
    header = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_COLUMNS]
    cells = [("1.0", "0.0", ""), ("", "1.0", "0.0"), ("-1.0", "0.0", "1.0"), ("0.0", "-1.0", "1.0")]
    rows = [
        [f"CheXpert-v1.0/valid/patient{number:05d}/study1/view1_frontal.jpg", "Female", 60, "Frontal" if number else "Lateral", "AP"]
        + [cells[(number + place) % 4][place % 3] for place in range(len(CHEXPERT_COLUMNS))]
        for number in range(8)
    ]
    table(root, "chexpert/CheXpert-v1.0/valid.csv", header, rows, 0, "chexpert")


def nih(root: Path) -> None:
    found = ["Cardiomegaly|Effusion", "No Finding", "Pleural_Thickening", "Hernia|Mass", "Nodule"]
    header = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "OriginalImage[Width", "Height]"]
    rows = [[f"0000000{number}_000.png", labels, 0, number // 2, 2500, 2048] for number, labels in enumerate(found)]
    table(root, "nih/Data_Entry_2017.csv", header, rows, 0, "nih/images")


def annotations(root: Path, place: str, classes: int) -> None:
    rows = [[f"images/{number:06d}.png", number, number % classes, "test" if number else "train"] for number in range(classes + 1)]
    table(root, f"{place}/annotations.csv", ["file_path", "original_index", "label", "split"], rows, 0, place)


def retina(root: Path, file: str, images: str, classes: Sequence[str]) -> None:
    rows = [[number, f"{images}/{number}.jpg", "[]", f"['{name}']"] for number, name in enumerate(classes)]
    table(root, f"unimed/local_data/{file}", ["", "image", "atributes", "categories"], rows, 1, "unimed")


def fold(root: Path, folder: str, file: str, classes: Sequence[str], first: Sequence[str] = ("path", "label")) -> None:
    table(root, f"unimed/{folder}/{file}", first, [[f"images/{n}.png", name] for n, name in enumerate(classes)], 0, f"unimed/{folder}")


def rsna(root: Path) -> None:
    rows = [[number, f"images/{number}.jpg", number % 2] for number in range(4)]
    table(
        root,
        "unimed/rsna_custom_test_set/RSNA_pneumonia_balanced_testfile.csv",
        ["", "img", "label"],
        rows,
        1,
        "unimed/rsna_custom_test_set",
    )


RETINA = ["age related macular degeneration", "diabetic retinopathy", "glaucoma", "normal"]
TUMOURS = ["tumor_skin_epithelial_sqcc", "tumor_skin_melanoma_melanoma", "tumor_skin_epithelial_bcc", "tumor_skin_naevus_naevus"]
SKIN = ["nontumor_skin_necrosis_necrosis", "nontumor_skin_muscle_skeletal", "nontumor_skin_dermis_dermis"]


def skin(root: Path, file: str, classes: Sequence[str]) -> None:
    """The first row belongs to the training part."""
    stem = file.removesuffix(".csv")
    parts = ["Train", *["Test"] * len(classes)]
    rows = [[n, f"data/{stem}/{n}.jpg", name, part, ""] for n, (name, part) in enumerate(zip([classes[0], *classes], parts, strict=True))]
    table(root, f"unimed/skin_tumor/data/{file}", ["id", "file", "class", "set", "malignicy"], rows, 1, "unimed/skin_tumor")


def ham10000(root: Path) -> None:
    found = ["nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"]
    rows = [[f"HAM_{number // 2}", f"ISIC_002730{number}", name, "histo", "60.0", "male", "back"] for number, name in enumerate(found)]
    header = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    table(root, "ham10000/HAM10000_metadata.csv", header, rows, 1, "ham10000/HAM10000_images", ".jpg")


def aptos(root: Path) -> None:
    table(root, "aptos2019/train.csv", ["id_code", "diagnosis"], [[f"00{n}cc1", n] for n in range(5)], 0, "aptos2019/train_images", ".png")


def mhist(root: Path) -> None:
    header = ["Image Name", "Majority Vote Label", "Number of Annotators who Selected SSA (Out of 7)", "Partition"]
    rows = [[f"MHIST_zz{n}.png", ("HP", "SSA")[n % 2], n, ("train", "test")[n // 2]] for n in range(4)]
    write_csv(root / "mhist/annotations.csv", header, rows)
    for row in rows:
        write_picture(root / "mhist/images" / str(row[0]))
