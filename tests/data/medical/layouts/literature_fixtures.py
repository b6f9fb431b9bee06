"""Figures of articles, tiny: ROCO, ROCOv2, MedICaT, PMC-OA, PMC-15M and BIOMEDICA. All captions and articles are invented."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.data.benchmarks.classification.drawn import write_csv, write_text
from tests.data.named_sets import Named, jpeg, plain, put
from tests.data.samples import write_tar

ALL = ["data.source.split=all"]
"""Of sets without parts of their own, so that no fixture hangs on who falls into which."""


def original(caption: str) -> list[tuple[str, str]]:
    return [(caption, "original")]


def write_lines(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write_text(file, [json.dumps(row) for row in rows])


# ROCO: by part its figures with article, caption, concepts and keywords; PMC9000001 is in train and in test

ROCO_FIGURES: dict[str, list[tuple[str, str, str, list[str], list[str]]]] = {
    "train": [
        ("ROCO_90001", "PMC9000001", "Axial CT showing a splenic cyst.", ["C0040405", "C0010709"], ["axial", "ct", "cyst"]),
        ("ROCO_90004", "PMC9000004", "Sagittal MRI of the knee with a torn meniscus.", [], ["mri"]),
        ("ROCO_90007", "PMC9000007", "Chest radiograph after the drain was placed.", ["C0039985"], []),
    ],
    "validation": [("ROCO_90002", "PMC9000002", "Ultrasound of a gall bladder with stones.", ["C0041618"], ["stones"])],
    "test": [
        ("ROCO_90003", "PMC9000001", "Coronal CT of the same spleen, one year later.", ["C0040405"], ["coronal"]),
        ("ROCO_90005", "PMC9000005", "Barium swallow showing a narrow oesophagus.", [], []),
        ("ROCO_90006", "PMC9000006", "Angiogram of the left renal artery, with a tear.", ["C0002978"], ["artery"]),
        ("ROCO_90008", "PMC9000008", "Mammogram of a dense breast without any mass.", [], ["breast"]),
    ],
}


def write_roco(root: Path) -> None:
    """The repository: values behind tabs, captions behind a space, lines that end in a tab where there is nothing, a comma list with
    a heading, and links that fetch each article."""
    for part, figures in ROCO_FIGURES.items():
        folder = root / f"{part}/radiology"
        write_text(folder / "captions.txt", [f"{name}\t {caption}" for name, _, caption, _, _ in figures])
        write_text(folder / "cuis.txt", ["\t".join([name, *cuis]) if cuis else f"{name}\t" for name, _, _, cuis, _ in figures])
        write_text(folder / "keywords.txt", ["\t".join([name, "", *words]) for name, _, _, _, words in figures])
        write_text(folder / "semtypes.txt", [f"{name}\tT060\tDiagnostic Procedure" for name, *_ in figures])
        write_text(folder / "dlinks.txt", [f"{name}\twget -r ftp://example.org/{article}.tar.gz" for name, article, *_ in figures])
        licences = [f"{name},{article}_xx-01-g001.jpg,CC BY" for name, article, *_ in figures]
        write_text(folder / "licences.txt", ["ROCO_ID,PMC_ID,CC", *licences])
        put(folder / "images", [f"{name}.jpg" for name, *_ in figures])
        other = root / f"{part}/non-radiology"
        write_text(other / "captions.txt", [f"ROCO_9001{len(figures)}\t A flow chart of the study in {part}."])
        write_text(other / "licences.txt", ["ROCO_ID,PMC_ID,CC", f"ROCO_9001{len(figures)},PMC90001{len(figures)}_g1.jpg,NO-CC CODE"])
        put(other / "images", [f"ROCO_9001{len(figures)}.jpg"])


def write_kaggle_roco(root: Path) -> None:
    """Kaggle's copy: a table per part beside the folders; some pictures are missing or have no bytes."""
    tables = {"train": "radiologytraindata.csv", "validation": "radiologyvaldata.csv", "test": "radiologytestdata.csv"}
    write_roco(root)
    for part, figures in ROCO_FIGURES.items():
        rows = [(name, f"{name}.jpg", f" {text}\n") for name, _, text, _, _ in figures]
        write_csv(root / part / tables[part], ["id", "name", "caption"], rows)
        (root / f"{part}/radiology/captions.txt").unlink()
        (root / f"{part}/radiology/licences.txt").unlink()
    (root / "train/radiology/images/ROCO_90004.jpg").write_bytes(b"")
    (root / "train/radiology/images/ROCO_90007.jpg").unlink()


def roco(folder: Path) -> Named:
    write_roco(folder)
    kept = ROCO_FIGURES["train"][1:]  # the article of the first is in test
    return Named(folder, {f"train/radiology/images/{name}.jpg": original(caption) for name, _, caption, _, _ in kept})


# ROCOv2: by part its figures with article and caption; two captions of train are equal

ROCOV2_FIGURES: dict[str, list[tuple[str, str, str]]] = {
    "train": [
        ("ROCOv2_2023_train_000001", "PMC9000011", "Chest radiograph showing a left pleural effusion."),
        ("ROCOv2_2023_train_000002", "PMC9000012", "Preoperative panoramic radiograph of the jaw."),
        ("ROCOv2_2023_train_000003", "PMC9000013", "Preoperative panoramic radiograph of the jaw."),
        ("ROCOv2_2023_train_000004", "PMC9000014", "Axial CT of the head without contrast."),
    ],
    "valid": [("ROCOv2_2023_valid_000001", "PMC9000014", "Axial CT of the head, one week later.")],
    "test": [
        ("ROCOv2_2023_test_000001", "PMC9000015", "Angiogram of the aorta with a leak."),
        ("ROCOv2_2023_test_000002", "PMC9000016", "Ultrasound of the thyroid with a nodule."),
    ],
}


def write_rocov2(root: Path, middle: str = "valid") -> None:
    licences = []
    for part, figures in ROCOV2_FIGURES.items():
        folder = middle if part == "valid" else part
        write_csv(root / f"{folder}_captions.csv", ["ID", "Caption"], [(name, caption) for name, _, caption in figures])
        for kind in ("concepts", "concepts_manual"):
            write_csv(root / f"{folder}_{kind}.csv", ["ID", "CUIs"], [(name, "C1306645;C0817096") for name, *_ in figures])
        put(root / folder, [f"{name}.jpg" for name, *_ in figures])
        licences += [(name, article, "CC BY [Nobody et al. (2020)]", "https://example.org") for name, article, _ in figures]
    write_csv(root / "cui_mapping.csv", ["CUI", "Canonical name"], [("C1306645", "Plain x-ray"), ("C0817096", "Chest")])
    write_csv(root / "license_information.csv", ["ID", "PMCID", "Attribution", "Link"], licences)


def rocov2(folder: Path) -> Named:
    write_rocov2(folder)
    kept = ROCOV2_FIGURES["train"][:3]  # the article of the last is in valid
    return Named(folder, {f"train/{name}.jpg": original(caption) for name, _, caption in kept})


# MedICaT

PAPERS = ["9" * 39 + "a", "9" * 39 + "b"]

MEDICAT_FIGURES: list[dict[str, Any]] = [
    {
        "pdf_hash": PAPERS[0],
        "fig_key": "Figure2",
        "fig_uri": "3-Figure2-1.png",
        "s2_caption": "Figure 2. (A) CT and (B) MRI of the same lesion.",
        "s2orc_caption": "Figure 2. (A) CT and (B) MRI of the same lesion.",
        "s2orc_references": ["The lesion was seen on CT and on MRI (Figure 2).", "No other lesion was found anywhere (Figure 2)."],
        "radiology": True,
        "scope": False,
        "predicted_type": "Medical images",
        "oa_info": {
            "doi": "10.0/x",
            "doi_url": "https://example.org",
            "oa": {"is_oa": True, "license": "cc-by-nc", "provenance": "unpaywall"},
        },
    },
    {
        "pdf_hash": PAPERS[0],
        "fig_key": "Figure3",
        "fig_uri": "4-Figure3-1.png",
        "s2_caption": None,
        "s2orc_caption": "Figure 3. Section of the lesion after it was taken out.",
        "s2orc_references": None,
        "radiology": False,
        "scope": True,
        "predicted_type": "Medical images",
        "oa_info": {"doi": "10.0/x", "oa": {"is_oa": True, "oa_status": "gold", "license": None, "provenance": "unpaywall"}},
    },
    {
        "pdf_hash": PAPERS[1],
        "fig_key": "Figure1",
        "fig_uri": "2-Figure1-1.png",
        "s2_caption": "Figure 1. Lateral radiograph of the wrist.",
        "s2orc_references": [],
        "radiology": True,
        "scope": False,
        "predicted_type": "Medical images",
        "oa_info": None,
    },
]

WORDS = ["Figure", "2", ".", "(", "A", ")", "CT", "and", "(", "B", ")", "MRI", "of", "the", "same", "lesion", "."]

SUBCAPTIONS: list[dict[str, Any]] = [
    {
        **{key: MEDICAT_FIGURES[0][key] for key in ("pdf_hash", "fig_key", "fig_uri")},
        "answer": "accept",
        "tokens": [{"text": word, "id": place} for place, word in enumerate(WORDS)],
        "subfigures": [{"label": "A", "points": [[0, 0], [0, 9], [9, 9], [9, 0]]}],
        "subcaptions": {"A": [3, 4, 5, 6, 12, 13, 14, 15], "B": [8, 9, 10, 11, 12, 13, 14, 15]},
        "width": 40,
        "height": 40,
    },
    {**{key: MEDICAT_FIGURES[2][key] for key in ("pdf_hash", "fig_key", "fig_uri")}, "answer": "reject", "tokens": []},
]


def medicat(folder: Path) -> Named:
    write_lines(folder / "s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl", MEDICAT_FIGURES)
    write_lines(folder / "subcaptions_public.jsonl", SUBCAPTIONS)
    names = [f"figures/{row['pdf_hash']}_{row['fig_uri']}" for row in MEDICAT_FIGURES]
    put(folder, names)
    captions = ["CT and MRI of the same lesion.", "Section of the lesion after it was taken out.", "Lateral radiograph of the wrist."]
    return Named(folder, {name: original(caption) for name, caption in zip(names, captions, strict=True)}, ALL)


# PMC-OA, PMC-15M

PMC_OA_PANELS = {
    "PMC9000021_figure_1_2.jpg": "Axial T2 image with a cystic lesion.",
    "PMC9000021_figure_1_3.jpg": "Coronal image of the same lesion.",
    "PMC9000022_Fig3_4.jpg": "Real-time image of the translocation.",
}


def pmc_oa(folder: Path) -> Named:
    rows = [{"image": name, "caption": text, "alignment_type": "ocr", "alignment_score": 0.91} for name, text in PMC_OA_PANELS.items()]
    write_lines(folder / "pmc_oa.jsonl", rows)
    put(folder / "images", list(PMC_OA_PANELS))
    return Named(folder, {name: original(text) for name, text in PMC_OA_PANELS.items()}, ALL)


def figure(number: int, picture: str | None, caption: str, pmid: str) -> dict[str, Any]:
    known = {"fig_id": f"F{number}", "fig_label": f"Figure {number}", "pair_id": f"{pmid}_F{number}"}
    return {"fig_caption": caption, "graphic_ref": picture, **known}


def articles() -> list[dict[str, Any]]:
    """As the scripts wrote them on another machine; one figure has no picture, one has an empty name in its place."""
    first = [
        figure(1, "/d/PMC9000031/x-g001.jpg", "Figure 1. Survival of mice over thirty days.", "90000031"),
        figure(2, None, "A figure without a picture.", "90000031"),
        figure(3, "/d/PMC9000031/x-g003.jpg", "Western blot of the three proteins.", "90000031"),
    ]
    second = [figure(1, "/d/PMC9000032/y-g001.jpg", "Chest CT of a patient with cough.", "90000032"), figure(2, "", "Another.", "90000032")]
    return [
        {"pmid": "90000031", "pmc": "9000031", "location": "/d/PMC9000031", "figures": first},
        {"pmid": "90000032", "pmc": "9000032", "location": "/d/PMC9000032", "figures": second},
        {"pmid": "90000033", "pmc": "9000033", "location": "/d/PMC9000033", "figures": []},
    ]


def pmc_15m(folder: Path) -> Named:
    write_lines(folder / "articles.jsonl", articles())
    captions = {
        "PMC9000031/x-g001.jpg": "Survival of mice over thirty days.",
        "PMC9000031/x-g003.jpg": "Western blot of the three proteins.",
        "PMC9000032/y-g001.jpg": "Chest CT of a patient with cough.",
    }
    put(folder / "articles", list(captions))
    return Named(folder, {name: original(caption) for name, caption in captions.items()}, ALL)


# BIOMEDICA


def biomedica_json(number: int) -> dict[str, Any]:
    """What stands in the JSON beside each picture: a little about it, and all of its article."""
    return {
        "image_file_name": f"x-g{number}.jpg",
        "image_cluster_id": "4",
        "image_hash": f"{number:064x}",
        "image_panel_type": "Single",
        "image_panel_subtype": None,
        "image_primary_label": ["Clinical Imaging"],
        "image_secondary_label": ["x-ray radiography"],
        "image_size": [40, 40],
        "image_context": {"F1": ['The figure shows {it} \\ "in quotes".']},
        "article_accession_id": f"PMC900004{number}",
        "article_title": "An invented article",
        "article_license": "CC BY",
        "article_text": "Nothing happened, { again and again ] . " * 500,
    }


def write_biomedica(folder: Path, examples: Sequence[tuple[str, bytes]]) -> list[str]:
    """A shard, which has 10,000 examples in the original, of captions and pictures."""
    keys = [f"commercial_0-PMC900004{number}-{number}-x-g{number}" for number in range(len(examples))]
    members: list[tuple[str, Any]] = []
    for number, (key, (caption, picture)) in enumerate(zip(keys, examples, strict=True)):
        members += [(f"{key}.jpg", picture), (f"{key}.txt", caption), (f"{key}.json", biomedica_json(number))]
    write_tar(folder / "commercial/0.tar", members)
    return keys


def biomedica(folder: Path) -> Named:
    captions = ["Lateral radiograph of an elbow.", "Photograph of a rash on the arm."]
    keys = write_biomedica(folder, [(caption, jpeg(number)) for number, caption in enumerate(captions)])
    return Named(folder / "commercial", {key: plain(caption) for key, caption in zip(keys, captions, strict=True)})


NAMED = {"biomedica": biomedica, "medicat": medicat, "pmc_15m": pmc_15m, "pmc_oa": pmc_oa, "roco": roco, "rocov2": rocov2}

FIXTURES = {"roco_2k": lambda root: write_roco(root / "roco"), "roco_retrieval": lambda root: write_roco(root / "roco")}
