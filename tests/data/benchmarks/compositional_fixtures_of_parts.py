"""More compositional tests, tiny, in their exact layouts: those of several files or parts, or with several pictures to a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.data.benchmarks.compositional_files import (
    cell,
    write_csv,
    write_images,
    write_json,
    write_parquet,
    write_photographs,
)

COMPLEXITIES = range(4, 13)


# VL-CheckList: a picture of SWiG is gone


VL_OBJECT = ("vg_obj", "vg_subj", "swig_agent", "swig_destination", "swig_item", "swig_tool", "hake")
VL_PARTS: dict[str, tuple[str, ...]] = {
    **{f"Attribute/{part}": ("vg", "vaw") for part in ("action", "color", "material", "size", "state")},
    **{f"Object/Location/{part}": VL_OBJECT for part in ("center", "margin", "mid")},
    **{f"Object/Size/{part}": VL_OBJECT for part in ("large", "medium", "small")},
    "Relation/action": ("vg", "swig", "hake"),
    "Relation/spatial": ("vg",),
}
VL_FOLDERS = {"vg": "vg", "vaw": "vg", "swig": "swig/", "hake": "hake/"}


def vl_checklist(root: Path) -> None:
    folder = root / "vl_checklist"
    pictures = {"vg": ["VG_100K/1.jpg", "VG_100K_2/2.jpg"], "swig": ["dialing_8.jpg", "gone_1.jpg"], "hake": ["pic/3.jpg", "pic/4.jpg"]}
    for part, corpora in VL_PARTS.items():
        for corpus in corpora:
            family = corpus.partition("_")[0]
            data = f"data/{part}/{corpus}.json"
            path = folder / f"corpus/v1/{part}/{corpus}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'ANNO_PATH: "{data}"\nIMG_ROOT: "{VL_FOLDERS[family]}"\nTYPE: "TUPLE_JSON"')
            texts = {"POS": [f"{corpus} on grass"], "NEG": [f"{corpus} under grass", "never read"]}
            write_json(folder / data, [[picture, texts] for picture in pictures[VL_FOLDERS[family].strip("/")]])
    for name, files in pictures.items():
        write_images(folder / name, [file for file in files if not file.startswith("gone")])


# CREPE: apostrophes, commas and quotes inside of the lists


CREPE_WRONG = ["a cat's toy on grass", 'a "big" dog, on sand', "a dog on it's back"]


def crepe_row(number: int, columns: Sequence[str]) -> dict[str, Any]:
    box = {"x": 10 + number, "y": 5, "width": 200, "height": 18}
    negatives = {column: str(CREPE_WRONG[: 1 + number]) for column in columns}
    return {"image_id": 100 + number, "caption": f"a dog's toy, on grass {number}", **box, **negatives}


def crepe_productivity(root: Path) -> None:
    for kind in ("atom", "swap", "negate"):
        for size in COMPLEXITIES:
            rows = [crepe_row(number, ["hard_negs"]) for number in range(3)]
            write_csv(root / f"crepe/{kind}/prod_vg_hard_negs_{kind}_complexity_{size}.csv", rows)
    crepe_images(root)


def crepe_systematicity(root: Path) -> None:
    columns = [f"valid_hard_negs_{kind}" for kind in ("atom", "comp", "combined")]
    for split in ("seen_compounds", "unseen_compounds"):
        write_csv(root / f"crepe/syst_vg_hard_negs_{split}_in_cc12m.csv", [crepe_row(number, columns) for number in range(3)])
    crepe_images(root)


def crepe_images(root: Path) -> None:
    write_photographs(root / "crepe", ["VG_100K/100.jpg", "VG_100K_2/101.jpg", "VG_100K/102.jpg"])


# What'sUp


def whats_up(root: Path) -> None:
    for file, folder, positions in (
        ("controlled_images_dataset.json", "controlled_images", ("left_of", "right_of", "on", "under")),
        ("controlled_clevr_dataset.json", "controlled_clevr", ("left_of", "right_of", "in-front_of", "behind")),
    ):
        names = [(first, position, f"{first}_{position}_table.jpeg") for first in ("mug", "cap") for position in positions]
        rows = [
            {
                "image_path": f"data/{folder}/{name}",
                "caption_options": [f"A {first} {other} a table" for other in (position, *(p for p in positions if p != position))],
            }
            for first, position, name in names
        ]
        write_json(root / "whats_up" / file, rows)
        write_images(root / "whats_up" / folder, [name for _, _, name in names])


SPATIAL = {
    "coco_qa_one_obj.json": [[397133, "A photo of a dog on the left", "A photo of a dog on the right"]],
    "coco_qa_two_obj.json": [[397133, "A photo of a dog to the left of a cat", "A photo of a dog to the right of a cat"]],
    "vg_qa_one_obj.json": [["2317", "A photo of a sign at the top", "A photo of a sign at the bottom"]],
    "vg_qa_two_obj.json": [[2317, "A photo of a front door behind a car", "A photo of a front door in front of a car"]],
}


def whats_up_spatial(root: Path) -> None:
    for file, rows in SPATIAL.items():
        write_json(root / "whats_up" / file, [*rows, *[[row[0], f"{row[1]} ", f"{row[2]} now"] for row in rows]])
    write_images(root / "whats_up", ["val2017/000000397133.jpg", "vg_images/2317.jpg"])


# SVO-Probes: picture 14 is gone, and in the last row two things differ


def svo_probes(root: Path) -> None:
    flags = [(True, False, False), (False, True, False), (False, False, True), (False, True, False), (True, True, False)]
    rows = [
        {
            "sentence": f"A dog runs, {number}",
            "pos_triplet": "dog,run,grass",
            "neg_triplet": "cat,run,grass",
            "pos_url": "http://example.org/a,b.jpg",
            "neg_url": "http://example.org/c.jpg",
            "pos_image_id": 10,
            "neg_image_id": 11 + number,
            "subj_neg": subject,
            "verb_neg": verb,
            "obj_neg": thing,
        }
        for number, (subject, verb, thing) in enumerate(flags)
    ]
    write_csv(root / "svo_probes/svo_probes.csv", rows)
    write_images(root / "svo_probes/images", ["10.jpg", "11.jpg", "12.jpg", "13.jpg", "15.jpg"])


def comvg(root: Path) -> None:
    rows = [
        {
            "id": number,
            "sentence": "a man is sitting at a table",
            "pos_triplet": "man,sit,table",
            "neg_triplet": "('dog', 'sit', 'table')",
            "pos_image_id": 2358258,
            "neg_image_id": 2357994 + number,
            "neg_value": part,
            "sentence_id": 215,
        }
        for number, part in enumerate(("subject", "verb", "object"), start=1)
    ]
    write_csv(root / "comvg/ComVG.csv", rows)
    write_images(root / "comvg/images", ["2358258.jpg", *(f"{2357994 + number}.jpg" for number in (1, 2, 3))])


VALSE = {
    "existence": "visual7w",
    "plurals": "coco",
    "counting-hard": "visual7w",
    "counting-small-quant": "visual7w",
    "counting-adversarial": "visual7w",
    "relations": "coco",
    "action-replacement": "swig",
    "actant-swap": "swig",
    "coreference-standard": "visdial",
    "coreference-hard": "visdial",
    "foil-it": "coco",
}


def valse(root: Path) -> None:
    """Of each three questions the annotators doubt one."""
    for piece, folder in VALSE.items():
        rows = {
            f"{piece}_{number}": {
                "dataset": folder,
                "image_file": f"{number}.jpg",
                "linguistic_phenomena": piece,
                "caption": f"There is dog {number}.",
                "foil": f"There is no dog {number}.",
                "mturk": {"foil": 3 - votes, "caption": votes, "other": 0},
            }
            for number, votes in enumerate((3, 1, 2))
        }
        write_json(root / f"valse/data/{piece}.json", rows)
        write_images(root / "valse/images" / folder, [f"{number}.jpg" for number in range(3)])


def negbench(root: Path) -> None:
    rows = [
        {
            "image_path": f"/root/data/coco/val2017/{number:012}.jpg",
            **{f"caption_{place}": f"a dog, but no cat {place} of {number}" for place in range(4)},
            "correct_answer": (number + 1) % 4,
            "correct_answer_template": ("positive", "negative", "hybrid", "hybrid")[number],
        }
        for number in range(4)
    ]
    write_csv(root / "negbench/COCO_val_mcq_llama3.1_rephrased.csv", rows)
    write_images(root / "negbench/val2017", [f"{number:012}.jpg" for number in range(4)])


def imagecode(root: Path) -> None:
    """Frames are numbered with gaps, and not in the order of their names."""
    sets = {"open-images-1815_f9": range(10), "MSR-VTT-video1-shot1_0": range(0, 30, 3)}
    write_json(root / "imagecode/data/valid_data.json", {name: {"5": f"a deer in {name}", "0": f"a fossil in {name} "} for name in sets})
    for name, frames in sets.items():
        write_images(root / "imagecode/data/image-sets" / name, [f"img{frame}.jpg" for frame in frames])


def winogavil(root: Path) -> None:
    names = ["corn", "anchor", "tractor", "violin", "moon", "rope", "hat", "ice", "jar", "kite"]
    rows = [
        {
            "ID": number,
            "cue": cue,
            "candidates": names[:size],
            "associations": ["tractor", "corn"],
            "candidate_images": [cell(20 * place + number) for place in range(size)],
        }
        for number, (cue, size) in enumerate((("harvest", 5), ("Orchard", 6), ("field", 10)))
    ]
    write_parquet(root / "winogavil/test-00000-of-00001.parquet", rows)


SPEC = ("absolute_size", "relative_size", "absolute_spatial", "relative_spatial", "existence", "count")


def spec(root: Path) -> None:
    for subset in SPEC:
        images, texts = [f"images/{n}.jpg" for n in range(3)], [f"{n + 1} cups in {subset}" for n in range(3)]
        write_json(root / f"spec/{subset}/image2text.json", [{"query": images[n], "keys": texts, "label": n} for n in range(3)])
        write_json(root / f"spec/{subset}/text2image.json", [{"query": texts[n], "keys": images, "label": n} for n in range(3)])
        write_images(root / f"spec/{subset}", images)


def object_scenes(root: Path) -> None:
    names = ["apple", "chair", "car", "drum"]
    scenes = []
    for number in range(4):
        objects = [names[(number + place) % 4] for place in range(3)]
        caption = "a {}, a {} and a {}".format(*objects)
        scenes.append({"image": f"{number:04}.png", "objects": objects, "large": number % 3, "caption": caption})
    write_json(root / "object_scenes/scenes.json", scenes)
    write_images(root / "object_scenes/images", [f"{number:04}.png" for number in range(4)])
