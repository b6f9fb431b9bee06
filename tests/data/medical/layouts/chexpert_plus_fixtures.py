"""CheXpert Plus, tiny: a table with a row per picture, PNG and DICOM pictures, CheXbert's labels, invented reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.data.benchmarks.classification.drawn import write_csv, write_text
from tests.data.medical.dicoms import dicom_bytes, ramp
from tests.data.medical.layouts.files import FOURTEEN, key_of, put_file
from tests.data.named_sets import Named
from tests.data.samples import encode

TABLE = "df_chexpert_plus_240401.csv"
COLUMNS = [
    "path_to_image",
    "path_to_dcm",
    "frontal_lateral",
    "ap_pa",
    "deid_patient_id",
    "patient_report_date_order",
    "report",
    "section_narrative",
    "section_clinical_history",
    "section_history",
    "section_comparison",
    "section_technique",
    "section_procedure_comments",
    "section_findings",
    "section_impression",
    "section_end_of_impression",
    "section_summary",
    "section_accession_number",
    "age",
    "sex",
    "race",
    "ethnicity",
    "split",
]

ACCESSION = "ACC99999999"
RACE = "Planted race"

ROWS: list[dict[str, Any]] = [
    {
        "path_to_image": "train/patient42999/study5/view1_frontal.jpg",
        "path_to_dcm": "train/patient42999/study5/view1_frontal.dcm",
        "frontal_lateral": "Frontal",
        "ap_pa": "AP",
        "section_findings": "The heart is enlarged.",
        "section_impression": " \n1. Cardiomegaly is seen here.\n",
        "split": "train",
    },
    {
        "path_to_image": "train/patient42999/study5/view2_lateral.jpg",
        "path_to_dcm": "train/patient42999/study5/view2_lateral.dcm",
        "frontal_lateral": "Lateral",
        "section_findings": "The heart is enlarged.",
        "section_impression": " \n1. Cardiomegaly is seen here.\n",
        "split": "train",
    },
    {
        "path_to_image": "train/patient43999/study1/view1_frontal.jpg",
        "path_to_dcm": "train/patient43999/study1/view1_frontal.dcm",
        "frontal_lateral": "Frontal",
        "ap_pa": "PA",
        "section_impression": "No acute disease is seen.",
        "split": "train",
    },
    {
        "path_to_image": "valid/patient44999/study1/view1_frontal.jpg",
        "path_to_dcm": "valid/patient44999/study1/view1_frontal.dcm",
        "frontal_lateral": "Frontal",
        "ap_pa": "AP",
        "section_impression": "Edema on both sides.",
        "split": "valid",
    },
]


def write_table(root: Path, rows: list[dict[str, Any]]) -> None:
    planted = {"section_accession_number": ACCESSION, "race": RACE, "age": 61, "report": "NARRATIVE: repeated"}
    write_csv(root / TABLE, COLUMNS, [[{**planted, **row}.get(column, "") for column in COLUMNS] for row in rows])


def write_chexpert_plus(root: Path) -> None:
    write_table(root, ROWS)
    for number, row in enumerate(ROWS):
        put_file((root / "PNG" / row["path_to_image"]).with_suffix(".png"), encode(40 * number, "PNG", 40))
        put_file(root / "DICOM" / row["path_to_dcm"], dicom_bytes(ramp(), bits_stored=12))
    nothing: dict[str, Any] = dict.fromkeys(FOURTEEN)
    labelled = [{"path_to_image": row["path_to_image"], **nothing, "Cardiomegaly": 1.0, "Edema": -1.0} for row in ROWS[:2]]
    write_text(root / "chexbert_labels/impression_fixed.json", map(json.dumps, labelled))


def named(folder: Path) -> Named:
    write_chexpert_plus(folder)
    said = {"study5": "Cardiomegaly is seen here.", "study1": "No acute disease is seen."}
    paths = ["train/patient42999/study5/view1_frontal.png", "train/patient43999/study1/view1_frontal.png"]
    return Named(folder, {key_of("chexpert_plus", path): [(said[path.split("/")[2]], "report")] for path in paths})


NAMED = {"chexpert_plus": named}
