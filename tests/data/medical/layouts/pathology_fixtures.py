"""Pathology with captions, tiny: Quilt-1M, OpenPath and ARCH. All captions are invented."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv, write_text
from tests.data.medical.layouts.files import key_of
from tests.data.medical.layouts.literature_fixtures import ALL
from tests.data.named_sets import Named, put

QUILT_HEADER = [
    *("", "caption", "image_path", "subset", "split", "pathology", "roi_text", "noisy_text", "corrected_text", "med_umls_ids"),
    *("magnification", "height", "width"),
]


def frame(video: str, number: int) -> str:
    return f"{video}_image_00000000-0000-4000-8000-{number:012d}.jpg"


QUILT_ROWS = [
    (frame("AbCdEfGhIjk", 1), "Nests of cells with dark nuclei.", "quilt", "train", "['Dermatopathology']", "['nests', 'nuclei']"),
    (frame("AbCdEfGhIjk", 1), "The nests reach into the dermis here.", "quilt", "train", "['Dermatopathology']", "['dermis']"),
    (frame("AbCdEfGhIjk", 2), "Keratin pearls in the middle of it.", "quilt", "train", "['Dermatopathology', 'Bone']", "[]"),
    (frame("LmNoPq_rStU", 3), "", "quilt", "train", "", ""),
    (frame("LmNoPq_rStU", 4), "Goblet cells along the crypt.", "quilt", "val", "nan", "not a list"),
    (frame("LmNoPq_rStU", 5), "Crypts of irregular shape.", "quilt", "val", "", ""),
    (frame("VwXyZ-12345", 6), "Fat between the lobules of the gland.", "quilt", "val", "", ""),
    ("openpath_900001.jpg", "What is this lesion of the skin?", "openpath", "train", "", ""),
    ("PMC9000051_g001.jpg", "Section with many mitoses.", "pubmed", "train", "", ""),
]
"""Picture, caption, subset, part, kinds of pathology, and words for regions. One picture has two captions, one has none; a video is
in both parts."""


def write_quilt(root: Path) -> None:
    rows = [
        (number, caption, image, subset, split, kinds, words, "um so nests", "nests", "[[]]", 1.0, 720, 1280)
        for number, (image, caption, subset, split, kinds, words) in enumerate(QUILT_ROWS)
    ]
    write_csv(root / "quilt_1M_lookup.csv", QUILT_HEADER, rows)
    put(root / "quilt_1m", list(dict.fromkeys(image for image, *_ in QUILT_ROWS)))


def quilt_1m(folder: Path) -> Named:
    write_quilt(folder)
    examples = {
        frame("AbCdEfGhIjk", 1): ["Nests of cells with dark nuclei.", "The nests reach into the dermis here."],
        frame("AbCdEfGhIjk", 2): ["Keratin pearls in the middle of it."],
        "openpath_900001.jpg": ["What is this lesion of the skin?"],
        "PMC9000051_g001.jpg": ["Section with many mitoses."],
    }
    named = {key_of("quilt_1m", image): [(text, "original") for text in texts] for image, texts in examples.items()}
    return Named(folder, named)


OPENPATH_ROWS = [
    ("post_900001_0.jpg", "Spindle cells in a storiform pattern.", "900001"),
    ("post_900001_1.jpg", "Higher power of the same tumour.", "900001"),
    ("post_900001_0.jpg", "Any thoughts about these spindle cells?", "900001"),
    ("post_900002_0.jpg", "Classic picture of a thyroid cancer.", "900002"),
]


def openpath(folder: Path) -> Named:
    write_csv(folder / "openpath.csv", ["image", "caption", "post"], OPENPATH_ROWS)
    put(folder, list(dict.fromkeys(image for image, *_ in OPENPATH_ROWS)))
    examples: dict[str, list[tuple[str, str]]] = {}
    for image, caption, _ in OPENPATH_ROWS:
        examples.setdefault(key_of("openpath", image), []).append((caption, "original"))
    return Named(folder, examples, ALL)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-9000-{number:012d}"


BOOKS = {
    "0": {"figure_id": "9001", "letter": "A", "caption": "Two views of the same carcinoma of the breast.", "uuid": uuid(1)},
    "1": {"figure_id": "9001", "letter": "B", "caption": "Two views of the same carcinoma of the breast.", "uuid": uuid(2)},
    "2": {"figure_id": "9002", "letter": "Single", "caption": "A lymph node without metastasis.", "uuid": uuid(3)},
    "7": {"figure_id": "9007", "letter": "Single", "caption": "A caption whose picture was never published.", "uuid": uuid(9)},
}
PUBMED = {
    "0": {"caption": "Granuloma with giant cells, stained with silver.", "uuid": uuid(4)},
    "1": {"caption": "Smear of blood with large platelets.", "uuid": uuid(5)},
}
ARCH_FILES = [
    *(f"books_set/images/{uuid(number)}.png" for number in (1, 2, 3)),
    f"pubmed_set/images/{uuid(4)}.jpg",
    f"pubmed_set/images/{uuid(5)}.png",
]


def write_arch(root: Path) -> None:
    write_text(root / "books_set/captions.json", [json.dumps(BOOKS)])
    write_text(root / "pubmed_set/captions.json", [json.dumps(PUBMED)])
    put(root, ARCH_FILES)


def arch(folder: Path) -> Named:
    write_arch(folder)
    captions = [entry["caption"] for entry in [*BOOKS.values(), *PUBMED.values()] if entry["uuid"] != uuid(9)]
    return Named(folder, {file: [(text, "original")] for file, text in zip(ARCH_FILES, captions, strict=True)}, ALL)


NAMED = {"arch": arch, "openpath": openpath, "quilt_1m": quilt_1m}

FIXTURES = {"arch_retrieval": lambda root: write_arch(root / "arch"), "quilt_retrieval": lambda root: write_quilt(root / "quilt_1m")}
