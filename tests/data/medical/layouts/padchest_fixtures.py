"""PadChest, tiny: the table with its stray quotes and gaps, 16-bit pictures, invented stems of Spanish words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.medical.layouts.files import key_of, phrased, put_file, write_gzip_csv
from tests.data.named_sets import Named

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"

COLUMNS = [
    "",
    "ImageID",
    "ImageDir",
    "StudyDate_DICOM",
    "StudyID",
    "PatientID",
    "PatientBirth",
    "PatientSex_DICOM",
    "ViewPosition_DICOM",
    "Projection",
    "MethodProjection",
    "Pediatric",
    "Modality_DICOM",
    "Manufacturer_DICOM",
    "PhotometricInterpretation_DICOM",
    "PixelRepresentation_DICOM",
    "PixelAspectRatio_DICOM",
    "SpatialResolution_DICOM",
    "BitsStored_DICOM",
    "WindowCenter_DICOM",
    "WindowWidth_DICOM",
    "Rows_DICOM",
    "Columns_DICOM",
    "XRayTubeCurrent_DICOM",
    "Exposure_DICOM",
    "ExposureInuAs_DICOM",
    "ExposureTime",
    "RelativeXRayExposure_DICOM",
    "ReportID",
    "Report",
    "MethodLabel",
    "Labels",
    "Localizations",
    "LabelsLocalizationsBySentence",
    "labelCUIS",
    "LocalizationsCUIS",
]

Row = tuple[str, str, str, str, str, str, str]

ROWS: list[Row] = [
    (
        "99990_00-000-001.png",
        "0",
        "99990",
        "PA",
        "Physician",
        "['cardiomegaly', ' pleural effusion', '']",
        "cardiomegali . derram .",
    ),
    (
        "99990_00-000-002.png",
        "0",
        "99990",
        "L",
        "Physician",
        "['cardiomegaly', ' pleural effusion', '']",
        "cardiomegali . derram .",
    ),
    ("99991_00-000-003.png", "1", "99991", "AP_horizontal", "RNN_model", "['pneumonia', \"'COPD signs'\"]", "neumoni basal . epoc ."),
    ("99992_00-000-004.png", "1", "99992", "PA", "Physician", "['normal']", "sin hallazg patolog ."),
    ("99993_00-000-005.png", "54", "99993", "PA", "Physician", "", "nan"),
    ("99994_00-000-006.png", "54", "99994", "EXCLUDE", "Physician", "['normal']", "no valorabl ."),
    ("99995_00-000-007.png", "54", "99995", "COSTAL", "Physician", "['suboptimal study', 'pneumonia']", "estudi subopt . neumoni ."),
    ("99996_00-000-008.png", "54", "99996", "AP", "Physician", "['pneumonia', 'cardiomegaly']", "neumoni . cardiomegali ."),
]
"""ImageID, ImageDir, PatientID, Projection, MethodLabel, Labels, Report."""


def png16(value: int) -> bytes:
    """A 16-bit picture of one grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40), value, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def write_padchest(root: Path, folders: bool = True, listed: Sequence[Row] = ROWS) -> None:
    names = ["ImageID", "ImageDir", "PatientID", "Projection", "MethodLabel", "Labels", "Report"]
    rows = []
    for number, row in enumerate(listed):
        cells = dict(zip(names, row, strict=True))
        put_file(root / (f"{cells['ImageDir']}/{cells['ImageID']}" if folders else cells["ImageID"]), png16(1028 * (8 * number)))
        cells |= {"": str(number), "StudyID": f"S{cells['PatientID']}", "PatientBirth": "1930", "StudyDate_DICOM": "20140915"}
        cells |= {"LabelsLocalizationsBySentence": "[['cardiomegaly', 'loc cardiac']]", "ReportID": str(4990000 + number)}
        rows.append([cells.get(column, "") for column in COLUMNS])
    write_gzip_csv(root / TABLE, COLUMNS, rows)


def named(folder: Path) -> Named:
    write_padchest(folder, listed=ROWS[:4])
    captions = [phrased("cardiomegaly", "pleural effusion"), phrased("pneumonia", "COPD signs"), phrased("normal")]
    images = [f"{ROWS[number][1]}/{ROWS[number][0]}" for number in (0, 2, 3)]
    examples = {key_of("padchest", image): own for image, own in zip(images, captions, strict=True)}
    return Named(folder, examples, ["data.source.split=all", "data.source.patient_split=null"])


NAMED = {"padchest": named}

FIXTURES = {"padchest": lambda root: write_padchest(root / "padchest")}
