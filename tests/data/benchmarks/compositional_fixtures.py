"""Every compositional test of `conf/test`, tiny, in its exact layout, at the place where its yaml looks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.benchmarks.compositional_files import (
    cell,
    write_csv,
    write_images,
    write_json,
    write_parquet,
    write_photographs,
)
from tests.data.benchmarks.compositional_fixtures_of_parts import (
    comvg,
    crepe_productivity,
    crepe_systematicity,
    imagecode,
    negbench,
    object_scenes,
    spec,
    svo_probes,
    valse,
    vl_checklist,
    whats_up,
    whats_up_spatial,
    winogavil,
)

SUGAR_CREPE = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


# SugarCrepe: a number is missing among the names, as in swap_obj, and a photograph stands in several files.


def sugar_crepe(root: Path) -> None:
    for subset in SUGAR_CREPE:
        questions = {
            str(number): {
                "filename": f"{number + 139:012}.jpg",
                "caption": f"A dog on sofa {number}.",
                "negative_caption": f"A sofa {number} on dog." if subset == "swap_obj" else f"A {subset} dog on sofa {number}.",
            }
            for number in (0, 2, 3)
        }
        write_json(root / f"sugar_crepe/data/{subset}.json", questions)
    write_images(root / "sugar_crepe/val2017", [f"{number + 139:012}.jpg" for number in (0, 2, 3)])


def sugar_crepe_plus(root: Path) -> None:
    for subset in SUGAR_CREPE[2:]:
        questions = [
            {
                "id": number,
                "filename": f"{number // 2:012}.jpg",
                "caption": f"A cat sits by plant {number}.",
                "caption2": f"By plant {number} there is a cat sitting.",
                "negative_caption": f"A dog sits by plant {number}.",
            }
            for number in range(4)
        ]
        if subset == "swap_obj":  # as in two questions of the real file
            questions[1]["negative_caption"] = questions[1]["caption"]
        write_json(root / f"sugar_crepe_plus/data/{subset}.json", questions)
    write_images(root / "sugar_crepe_plus/val2017", [f"{number:012}.jpg" for number in range(2)])


# ARO: the second box of each photograph reaches over its border.


def vg_box(number: int, **about: Any) -> dict[str, Any]:
    x, width = (30, 20) if number % 2 else (10, 20)
    box = {"bbox_x": x, "bbox_y": 5, "bbox_w": width, "bbox_h": 15}
    return {"image_id": f"{24 + number // 2}", "image_path": f"{24 + number // 2}.png", **box, **about}


def vg_relation(root: Path) -> None:
    relations = ["on", "on", "near", "holding", "on", "holding"]
    questions = [
        vg_box(
            number,
            relation_name=name,
            true_caption=f"the cat is {name} the table {number}",
            false_caption=f"the table {number} is {name} the cat",
        )
        for number, name in enumerate(relations)
    ]
    write_json(root / "aro/visual_genome_relation.json", questions)
    write_photographs(root / "aro/images", [f"{24 + number}.png" for number in range(3)])


def vg_attribution(root: Path) -> None:
    pairs = [["white", "wooden"]] * 26 + [["red", "old"]] * 2
    questions = [
        vg_box(
            number % 6,
            attributes=[first, second],
            true_caption=f"the {first} cat and the {second} table {number}",
            false_caption=f"the {second} cat and the {first} table {number}",
        )
        for number, (first, second) in enumerate(pairs)
    ]
    write_json(root / "aro/visual_genome_attribution.json", questions)
    write_photographs(root / "aro/images", [f"{24 + number}.png" for number in range(3)])


ORDERED = ["A black dog runs, slowly, across the green field.", 'Two men "talk" near the red bus; one (old) man waves!']


def word_order(folder: str, file: str, images: str, root: Path) -> None:
    listed = [{"image": f"{images}/{number}.jpg", "caption": [ORDERED[0], f"{ORDERED[1]} {number}"]} for number in range(3)]
    write_json(root / folder / file, listed)
    write_images(root / folder / images, [f"{number}.jpg" for number in range(3)])


# Winoground and its kind


WINOGROUND_TAGS = {"0": [], "1": ["Complex Reasoning", "Visually Difficult"], "2": [], "3": ["Unusual Text"]}


def winoground_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "caption_0": f"the fox follows duck {number}",
            "caption_1": f"the duck {number} follows fox",
            "tag": "Noun",
            "secondary_tag": "",
            "num_main_preds": 1,
            "collapsed_tag": ("Object", "Relation", "Both", "Object")[number],
        }
        for number in range(4)
    ]


def winoground(root: Path) -> None:
    rows = [{**row, "image_0": f"ex_{row['id']}_img_0", "image_1": f"ex_{row['id']}_img_1"} for row in winoground_rows()]
    folder = root / "winoground"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data/examples.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    write_images(folder / "data/images", [f"{row[column]}.png" for row in rows for column in ("image_0", "image_1")])
    write_json(folder / "new_tag_assignments.json", WINOGROUND_TAGS)


def color_swap(root: Path) -> None:
    rows = [
        {
            "id": number,
            "caption_1": f"a red cup and a blue plate {number}",
            "caption_2": f"a blue cup and a red plate {number}",
            "image_1": f"images/img_{number}_1.png",
            "image_2": f"images/img_{number}_2.png",
            "image_source": "midjourney",
            "caption_source": "human",
        }
        for number in range(3)
    ]
    write_json(root / "colorswap/data/test.json", rows)
    write_images(root / "colorswap/data", [row[column] for row in rows for column in ("image_1", "image_2")])


def cola(root: Path) -> None:
    place = "https://cs-people.bu.edu/array/data/vg_gqa_images"
    rows = [[f"{place}/{n}1.jpg", f"round white plate {n}", f"{place}/{n}2.jpg", f"square white plate {n}"] for n in (1, 2, 3)]
    write_json(root / "cola/data/COLA_multiobjects_matching_benchmark.json", rows)
    write_images(root / "cola/images", [f"{n}{place}.jpg" for n in (1, 2, 3) for place in (1, 2)])


def eqben(root: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image0": "eqbenag/001/0.png", "caption0": ["he sits", "he rests"], "image1": "eqbenag/001/1.png", "caption1": ["he stands"]},
        {"image0": "eqbenkubric_cnt/0.jpg", "caption0": "two cubes", "image1": "eqbenkubric_cnt/1.jpg", "caption1": "three cubes"},
        {"image0": "eqbenyoucook2/0.npy", "caption0": "cut an onion", "image1": "eqbenyoucook2/1.npy", "caption1": "fry an onion"},
    ]
    write_json(root / "eqben/annotations.json", rows)
    write_images(root / "eqben/images", [row[column] for row in rows[:2] for column in ("image0", "image1")])
    (root / "eqben/images/eqbenyoucook2").mkdir()
    for number in range(2):
        frame = np.full((8, 12, 3), (200, 100, 50 * number), dtype=np.uint8)  # blue, green, red
        np.save(root / f"eqben/images/eqbenyoucook2/{number}.npy", frame)


def mmvp(root: Path, images: str = "MLLM_VLM Images") -> None:
    """The pairs are not in the order of their numbers."""
    kinds = {"Orientation and Direction": (3, 4, 1, 2), "Quantity and Count": (5, 6)}
    rows = [{"Question ID": n, "Type": kind, "Statement": f"A dog, facing way {n}"} for kind, ids in kinds.items() for n in ids]
    write_csv(root / "mmvp/Questions.csv", rows)
    write_images(root / "mmvp" / images, [f"{row['Type']}/{row['Question ID']}.jpg" for row in rows])


def bivlc(root: Path) -> None:
    kinds = [("replace", "obj"), ("replace", "rel"), ("swap", "att"), ("add", "obj")]
    rows = [
        {
            "image": cell(10 * number),
            "caption": f"A man throws ball {number}.",
            "negative_caption": f"A man catches ball {number}.",
            "negative_image": cell(10 * number + 5),
            "type": kind,
            "subtype": subtype,
        }
        for number, (kind, subtype) in enumerate(kinds)
    ]
    write_parquet(root / "bivlc/test-00000-of-00001.parquet", rows)


def inpaint_coco(root: Path) -> None:
    """The first two items change the same photograph."""
    rows = [
        {
            "concept": ("color", "object", "size")[number],
            "coco_caption": f"A red car {number}.",
            "coco_image": cell(max(0, 10 * number - 10)),
            "inpaint_caption": f"A blue car {number}.",
            "inpaint_image": cell(10 * number + 105),
            "mask": cell(255),
            "worker": "k",
            "coco_details": {"id": 139 if number < 2 else 285, "captions": ["A red car."], "height": 12, "width": 12},
            "inpaint_details": {"duration": 18, "guidance_scale": 7.5, "prompt": "a blue car"},
        }
        for number in range(3)
    ]
    write_parquet(root / "inpaint_coco/test-00000-of-00001.parquet", rows)


FIXTURES: dict[str, Callable[[Path], None]] = {
    "bivlc": bivlc,
    "coco_order": partial(word_order, "coco", "coco_karpathy_test.json", "val2014"),
    "cola": cola,
    "color_swap": color_swap,
    "comvg": comvg,
    "crepe_productivity": crepe_productivity,
    "crepe_systematicity": crepe_systematicity,
    "eqben": eqben,
    "flickr_order": partial(word_order, "flickr30k", "flickr30k_test.json", "flickr30k-images"),
    "imagecode": imagecode,
    "inpaint_coco": inpaint_coco,
    "mmvp": mmvp,
    "negbench": negbench,
    "object_scenes": object_scenes,
    "spec": spec,
    "sugar_crepe": sugar_crepe,
    "sugar_crepe_plus": sugar_crepe_plus,
    "svo_probes": svo_probes,
    "valse": valse,
    "vg_attribution": vg_attribution,
    "vg_relation": vg_relation,
    "vl_checklist": vl_checklist,
    "whats_up": whats_up,
    "whats_up_pairs": whats_up,
    "whats_up_spatial": whats_up_spatial,
    "winogavil": winogavil,
    "winoground": winoground,
    "winoground_tags": winoground,
}
