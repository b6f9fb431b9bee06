"""Every compositional test of `conf/test`, tiny, in its exact layout, at the place where its yaml looks for it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.data.samples import encode

SUGAR_CREPE = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
COMPLEXITIES = range(4, 13)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=2)


def write_images(folder: Path, names: Iterable[str]) -> None:
    """Pictures of one shade each."""
    for number, name in enumerate(dict.fromkeys(names)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(10 * number % 250, "PNG" if name.endswith(".png") else "JPEG"))


def cell(shade: int) -> dict[str, Any]:
    """A picture as `datasets` stores it."""
    return {"bytes": encode(shade, "JPEG"), "path": None}


def photograph(blue: int) -> bytes:
    """A picture of 40 x 30 pixels in which the red of a pixel is its column and the green its row."""
    values = np.full((30, 40, 3), blue, dtype=np.uint8)
    values[..., 0], values[..., 1] = np.arange(40), np.arange(30)[:, None]
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def write_photographs(folder: Path, names: Iterable[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photograph(10 * number))


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
