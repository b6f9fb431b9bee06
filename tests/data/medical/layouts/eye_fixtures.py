"""Fundus photographs: Messidor-2, ODIR-5K and REFUGE."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv, write_picture

LETTERS = "NDGCAHMO"


def messidor(root: Path) -> Path:
    """Three patients with both eyes; a table of grades that gives other suffixes, and one eye that nobody could grade."""
    folder = root / "messidor2"
    eyes = [f"999{number}_PP" for number in range(6)]
    for eye in eyes:
        write_picture(folder / "IMAGES" / f"{eye}.png")
    pairs = [f"{left}.png;{right}.png" for left, right in zip(eyes[::2], eyes[1::2], strict=True)]
    (folder / "messidor-2.csv").write_text("\n".join(["left;right", *pairs, ""]))
    header = ["image_id", "adjudicated_dr_grade", "adjudicated_dme", "adjudicated_gradable"]
    grades = [[f"{eye}.jpg", number % 5, number % 2, 1] for number, eye in enumerate(eyes[:5])]
    write_csv(folder / "messidor_data.csv", header, [*grades, [f"{eyes[5]}.jpg", "", "", 0]])
    return folder


def odir(root: Path) -> Path:
    """Patients 9990 to 9998: the left eye of each has a disease of its own, the right one has none."""
    folder = root / "odir"
    header = ["ID", "Patient Age", "Patient Sex", "Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords", "Right-Diagnostic Keywords"]
    header += [*LETTERS, "filepath", "labels", "target", "filename"]
    rows = []
    for number, letter in enumerate(LETTERS):
        patient = 9990 + number
        seen = [int(one == letter) for one in LETTERS]
        for side, own in (("right", "N"), ("left", letter)):
            name = f"{patient}_{side}.jpg"
            plain = [patient, 60, "Female", f"{patient}_left.jpg", f"{patient}_right.jpg", f"seen in {letter}", "normal fundus"]
            target = [int(one == own) for one in LETTERS]
            rows.append([*plain, *seen, f"../input/{name}", f"['{own}']", str(target), name])
            write_picture(folder / "preprocessed_images" / name)
    write_csv(folder / "full_df.csv", header, rows)
    return folder


def refuge(root: Path) -> Path:
    """Training pictures that say by their name what they are, with masks of the same names, and a listed test part."""
    folder = root / "refuge"
    for number in range(1, 3):
        for kind, name in (("Glaucoma", f"g000{number}"), ("Non-Glaucoma", f"n000{number}")):
            write_picture(folder / "Training400" / kind / f"{name}.jpg")
            write_picture(folder / "Annotation-Training400/Disc_Cup_Masks" / kind / f"{name}.bmp")
    listed = {str(number): {"ImgName": f"T000{number}.jpg", "Label": number % 2, "Fovea_X": 1.5} for number in range(4)}
    (folder / "test").mkdir()
    (folder / "test/index.json").write_text(json.dumps(listed))
    write_csv(folder / "test/labels.csv", ["ImgName", "Label"], [[row["ImgName"], row["Label"]] for row in listed.values()])
    for row in listed.values():
        write_picture(folder / "test/Images" / str(row["ImgName"]))
    return folder


FIXTURES: dict[str, Callable[[Path], object]] = {"messidor2": messidor, "odir": odir, "odir_patient": odir, "refuge": refuge}
