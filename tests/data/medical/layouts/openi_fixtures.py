"""OpenI, tiny: reports in XML with their pictures, and the mirror on Kaggle in CSV. All sentences are invented."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.dicoms import dicom_bytes, ramp
from tests.data.medical.layouts.files import put_file
from tests.data.named_sets import Named
from tests.data.samples import encode

LABELS = ("COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION")

REPORTS = {
    "9001": (("None.", "Cough", "Heart size normal. XXXX are clear.", "No acute disease."), ["CXR9001_9001_IM-9001-1001"], ["normal"]),
    "9002": (("", "", "", "Heart is mildly enlarged."), ["CXR9002_IM-9002-1001", "CXR9002_IM-9002-2001"], ["Cardiomegaly/mild"]),
    "9003": (("", "Pain", "Nothing to see.", "A report without a picture."), [], ["normal"]),
    "9010": (("", "", "The lungs are clear on both sides.", ""), ["CXR9010_IM-9010-1001"], ["normal"]),
}
"""By number: texts of the sections, pictures, headings."""

IMAGES = [image for _, images, _ in REPORTS.values() for image in images]

PROJECTIONS = ["Frontal", "Frontal", "Lateral", "Frontal"]


def xml(number: str) -> str:
    texts, images, headings = REPORTS[number]
    sections = "".join(
        f'<AbstractText Label="{label}">{text}</AbstractText>' if text else f'<AbstractText Label="{label}"/>'
        for label, text in zip(LABELS, texts, strict=True)
    )
    pictures = "".join(
        f'<parentImage id="{image}"><figureId>F1</figureId><caption>PA and lateral chest</caption>'
        f'<panel type="single"><url>/hadoop/storage/radiology/extract/{image}.jpg</url></panel></parentImage>'
        for image in images
    )
    mesh = "".join(f"<major>{heading}</major>" for heading in headings)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation>\n<meta type="rr"/><uId id="CXR{number}"/><pmcId id="{number}"/>'
        f"<licenseType>open-access</licenseType><MedlineCitation Status='supplement'><Article PubModel='Electronic'><Abstract>{sections}"
        f"</Abstract></Article></MedlineCitation><MeSH>{mesh}<automatic>enlarged heart</automatic></MeSH>{pictures}</eCitation>\n"
    )


def dicom_name(image: str) -> str:
    """9001_IM-9001-1001 of CXR9001_9001_IM-9001-1001."""
    number = image.removeprefix("CXR").partition("_")[0]
    return f"{number}_{image[image.index('IM-') :]}"


def write_xml(root: Path) -> None:
    for number in REPORTS:
        put_file(root / f"ecgen-radiology/{number}.xml", xml(number).encode())
    for place, image in enumerate(IMAGES):
        put_file(root / f"NLMCXR_png/{image}.png", encode(40 * place, "PNG", 40))
    write_lists(root)


def write_dicom(root: Path) -> None:
    for image in IMAGES:
        name = dicom_name(image)
        put_file(root / f"NLMCXR_dcm/{name.partition('_')[0]}/{name}.dcm", dicom_bytes(ramp(), "MONOCHROME1", bits_stored=12))


def write_lists(root: Path) -> None:
    """R2Gen's parts, and Kaggle's projections."""
    parts = {"train": ["CXR9001_IM-9001"], "val": ["CXR9002_IM-9002"], "test": ["CXR9010_IM-9010"]}
    document = {
        part: [{"id": name, "report": "invented", "image_path": [f"{name}/0.png", f"{name}/1.png"], "split": part} for name in names]
        for part, names in parts.items()
    }
    put_file(root / "annotation.json", json.dumps(document).encode())
    names = [f"{dicom_name(image)}.dcm.png" for image in IMAGES]
    rows = [[name.partition("_")[0], name, projection] for name, projection in zip(names, PROJECTIONS, strict=True)]
    write_csv(root / "indiana_projections.csv", ["uid", "filename", "projection"], rows)


def write_kaggle(root: Path) -> None:
    write_lists(root)
    header = ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"]
    rows = [
        [number, ";".join(headings), headings[0], "Xray Chest PA and Lateral", texts[1], texts[0], texts[2], texts[3]]
        for number, (texts, _, headings) in REPORTS.items()
    ]
    write_csv(root / "indiana_reports.csv", header, rows)
    for place, image in enumerate(IMAGES):
        put_file(root / f"images/images_normalized/{dicom_name(image)}.dcm.png", encode(40 * place, "PNG", 40))


CAPTIONS = ["No acute disease.", "Heart is mildly enlarged.", "Heart is mildly enlarged.", "The lungs are clear on both sides."]


def named(folder: Path) -> Named:
    write_xml(folder)
    return Named(
        folder, {f"{image}.png": [(text, "report")] for image, text in zip(IMAGES, CAPTIONS, strict=True)}, ["data.source.split=all"]
    )


def named_kaggle(folder: Path) -> Named:
    write_kaggle(folder)
    frontal = [place for place, projection in enumerate(PROJECTIONS) if projection == "Frontal"]
    examples = {f"{dicom_name(IMAGES[place])}.dcm.png": [(CAPTIONS[place], "report")] for place in frontal}
    return Named(folder, examples, ["data.source.split=all"])


NAMED = {"openi": named, "openi_kaggle": named_kaggle}
