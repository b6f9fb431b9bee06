"""Tiny retrieval tests, each in the exact layout of the published one, at the place where its configuration looks for it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from concord.data.benchmarks.retrieval.multilingual import XM3600_LANGUAGES
from tests.data.samples import encode

ANIMALS = ["cat", "dog", "horse", "sheep", "cow", "bear"]
COLOURS = ["red", "blue", "green", "white", "black", "brown"]


def write_images(folder: Path, names: Sequence[str]) -> None:
    for row, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(20 + 30 * row, "JPEG" if name.lower().endswith("jpg") else "PNG"))


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content))


def captions(row: int, count: int = 5) -> list[str]:
    return [f"A {COLOURS[row]} {ANIMALS[row]}, number {place}." for place in range(count)]


def coco_name(number: int) -> str:
    return f"COCO_val2014_{number:012d}.jpg"


def write_karpathy(root: Path, file: str, coco: bool) -> None:
    images = []
    for row in range(6):
        name = coco_name(100 + row) if coco else f"{1000 + row}.jpg"
        texts = captions(row, 6 if row == 0 else 5)  # one image of COCO's test has more than five
        sentences = [{"tokens": text.split(), "raw": text, "imgid": row, "sentid": 10 * row + place} for place, text in enumerate(texts)]
        place = {"filepath": "val2014", "cocoid": 100 + row} if coco else {}
        entry = {"filename": name, "imgid": row, "split": "test" if row else "train", "sentences": sentences, **place}
        images.append({**entry, "split": "test", "sentids": [sentence["sentid"] for sentence in sentences]})
    write_json(root / file, {"images": images, "dataset": "coco" if coco else "flickr30k"})
    write_images(root / ("val2014" if coco else "flickr30k-images"), [image["filename"] for image in images])


def coco_retrieval(root: Path) -> None:
    write_karpathy(root / "coco", "dataset_coco.json", coco=True)


def flickr30k_retrieval(root: Path) -> None:
    write_karpathy(root / "flickr30k", "dataset_flickr30k.json", coco=False)


def flickr8k_retrieval(root: Path) -> None:
    folder = root / "flickr8k"
    lines = [f"{row}.jpg,{text}" for row in range(6) for text in captions(row)]  # the captions hold commas
    write_text(folder / "flickr8k_test_karpathy.txt", "\n".join(["image,caption", *lines]) + "\n")
    write_images(folder / "Images", [f"{row}.jpg" for row in range(6)])


def flickr30k_cn(root: Path) -> None:
    folder = root / "flickr30k"
    lines = [f"{1000 + row}.jpg,一只{COLOURS[row]}的动物,第{place}个" for row in range(6) for place in range(5)]
    write_text(folder / "flickr30k_cn_test.txt", "\n".join(["image,caption", *lines]) + "\n")
    write_images(folder / "flickr30k-images", [f"{1000 + row}.jpg" for row in range(6)])


def coco_cn(root: Path) -> None:
    names = [f"COCO_{'train' if row % 2 else 'val'}2014_{row:012d}" for row in range(6)]
    lines = [f"{name}#{place}\t第{row}张图片的描述{place}" for row, name in enumerate(names) for place in range(1 + row % 2)]
    folder = root / "coco_cn"
    write_text(folder / "imageid.human-written-caption.txt", "\n".join(lines) + "\n")
    write_text(folder / "coco-cn_test.txt", "\n".join(names) + "\n")
    write_images(folder, [f"{name.split('_')[1]}/{name}.jpg" for name in names])


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)


def flickr_1k(root: Path) -> None:
    rows = [
        {
            "image": {"bytes": encode(30 * row, "JPEG"), "path": f"{row}.jpg"},
            "caption": captions(row),
            "sentids": [str(5 * row + place) for place in range(5)],
            "split": "test",
            "filename": f"{row}.jpg",
            "img_id": str(row),
        }
        for row in range(6)
    ]
    write_parquet(root / "flickr_1k_test_image_text_retrieval" / "data" / "test-00000-of-00001.parquet", rows)


def mscoco_2014_5k(root: Path) -> None:
    rows = [{"image": {"bytes": encode(30 * row, "JPEG"), "path": None}, "caption": captions(row)} for row in range(6)]
    write_parquet(root / "mscoco_2014_5k_test_image_text_retrieval" / "data" / "test-00000-of-00001.parquet", rows)


def xm3600(root: Path) -> None:
    languages = XM3600_LANGUAGES
    lines = []
    for row in range(6):
        texts = {
            language: {"caption": [f"{language} {ANIMALS[row]} {place}" for place in range(2)], "caption/tokenized": [], "x": []}
            for language in languages
        }
        lines.append(json.dumps({"image/key": f"{row:016x}", "image/locale": "de", **texts}))
    write_text(root / "xm3600" / "captions.jsonl", "\n".join(lines) + "\n")
    write_images(root / "xm3600" / "images", [f"{row:016x}.jpg" for row in range(6)])


XTD_FILES = {
    **{language: f"XTD10/test_1kcaptions_{language}.txt" for language in ("en", "es", "it", "ko", "pl", "ru", "tr", "zh")},
    **{language: f"MIC/test_1kcaptions_{language}.txt" for language in ("de", "fr")},
    "jp": "STAIR/test_1kcaptions_jp.txt",
}


def xtd10(root: Path) -> None:
    folder = root / "xtd10"
    names = [f"COCO_train2014_{row:012d}.jpg" for row in range(6)]
    write_text(folder / "XTD10" / "test_image_names.txt", "\n".join(names) + "\n")
    for language, file in XTD_FILES.items():
        write_text(folder / file, "\n".join(f"{language} {animal}" for animal in ANIMALS) + "\n")
    write_images(folder / "images", names)


def docci(root: Path) -> None:
    folder = root / "docci"
    lines = [
        {
            "type": "image",
            "split": "test" if row else "train",
            "example_id": f"test_{row:05d}",
            "image_file": f"test_{row:05d}.jpg",
            "description": f"A close-up of a {ANIMALS[row]}. " + "It stands on grass. " * 30,
        }
        for row in range(6)
    ]
    write_text(folder / "docci_descriptions.jsonlines", "\n".join(map(json.dumps, lines)) + "\n")
    write_images(folder / "images", [str(line["image_file"]) for line in lines])


def urban1k(root: Path) -> None:
    folder = root / "Urban1k"
    for row in range(6):
        write_text(folder / "caption" / f"{row + 7}.txt", f"A street with a {ANIMALS[row]}. It is busy.\nsecond line\n")
    write_images(folder / "image", [f"{row + 7}.jpg" for row in range(6)])


def sharegpt4v_1k(root: Path) -> None:
    folder = root / "sharegpt4v"
    entries = [
        {
            "id": f"{row:06d}",
            "image": f"sam/images/sa_{row}.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nDescribe."},
                {"from": "gpt", "value": f"The image shows\na {ANIMALS[row]}."},
            ],
        }
        for row in range(6)
    ]
    write_json(folder / "share-captioner_coco_lcs_sam_1246k_1107.json", entries)
    write_images(folder / "sam" / "images", [f"sa_{row}.jpg" for row in range(6)])


def eccv_caption(root: Path) -> None:
    coco_retrieval(root)
    folder = root / "coco" / "eccv_caption"
    for name in ("eccv", "cxc", "original"):
        extra = [101, 102] if name != "original" else [101]
        write_json(folder / f"{name}_caption_to_image.json", {"10": extra, "21": [102]})
        write_json(folder / f"{name}_image_to_caption.json", {"101": [*range(10, 15), 20], "102": [*range(20, 25), 10]})


def crisscrossed(root: Path) -> None:
    coco_retrieval(root)
    path = root / "coco" / "sits_test.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["caption", "image", "agg_score", "sampling_method"])
        for row in range(6):
            for place in range(5):
                rows.writerow([f"COCO_val2014:sentid:{10 * row + place}", coco_name(100 + row), 4.5, "c2i_original"])
            rows.writerow([f"COCO_val2014:sentid:{10 * row}", coco_name(100 + (row + 1) % 6), row / 2, "c2i_intrasim"])


def cirr(root: Path) -> None:
    folder = root / "cirr"
    names = [f"dev-{row}-0-img0" for row in range(8)]
    write_json(folder / "image_splits" / "split.rc2.val.json", {name: f"./dev/{name}.png" for name in names})
    entries = [
        {
            "pairid": 12 + row,
            "reference": names[row],
            "target_hard": names[row + 1],
            "target_soft": {names[row + 1]: 1.0},
            "caption": f"show a {ANIMALS[row]}",
            "img_set": {"id": row, "members": names[row : row + 6], "reference_rank": 0, "target_rank": 1},
        }
        for row in range(3)
    ]
    write_json(folder / "captions" / "cap.rc2.val.json", entries)
    write_images(folder / "img_raw", [f"dev/{name}.png" for name in names])


def fashion_iq(root: Path) -> None:
    folder = root / "fashion_iq"
    for category in ("dress", "shirt", "toptee"):
        names = [f"B{category[0].upper()}{row:03d}" for row in range(6)]
        write_json(folder / "image_splits" / f"split.{category}.val.json", names)
        entries = [{"target": names[row], "candidate": names[row + 1], "captions": ["is Red.", "has longer sleeves?"]} for row in range(3)]
        write_json(folder / "captions" / f"cap.{category}.val.json", entries)
        write_json(folder / "captions" / f"cap.{category}.test.json", [{"candidate": names[0], "captions": ["is red", "is blue"]}])
        write_json(folder / "image_splits" / f"split.{category}.test.json", names)
        write_images(folder / "images", [f"{name}.jpg" for name in names])


def circo(root: Path) -> None:
    folder = root / "circo"
    images = [{"id": 100 + row, "file_name": f"{100 + row:012d}.jpg"} for row in range(8)]
    write_json(folder / "annotations" / "image_info_unlabeled2017.json", {"images": images})
    entries = [
        {
            "reference_img_id": 100 + row,
            "target_img_id": 101 + row,
            "relative_caption": f"has {row + 2} of them",
            "shared_concept": "a bench",
            "gt_img_ids": [103 + row, 101 + row],
            "id": row,
            "semantic_aspects": ["cardinality"] if row else ["cardinality", "addition"],
        }
        for row in range(3)
    ]
    write_json(folder / "annotations" / "val.json", entries)
    write_images(folder / "unlabeled2017", [image["file_name"] for image in images])


def retrieval_csv(root: Path) -> None:
    folder = root / "retrieval"
    write_images(folder, [f"{row}.png" for row in range(6)])
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        rows.writerows([f"{row}.png", captions(row, 1)[0]] for row in range(6))


FIXTURES: dict[str, Callable[[Path], None]] = {
    "circo": circo,
    "cirr": cirr,
    "coco_cn": coco_cn,
    "coco_retrieval": coco_retrieval,
    "coco_retrieval_1k": coco_retrieval,
    "crisscrossed": crisscrossed,
    "docci": docci,
    "eccv_caption": eccv_caption,
    "fashion_iq": fashion_iq,
    "flickr30k_cn": flickr30k_cn,
    "flickr30k_retrieval": flickr30k_retrieval,
    "flickr8k_retrieval": flickr8k_retrieval,
    "flickr_1k": flickr_1k,
    "mscoco_2014_5k": mscoco_2014_5k,
    "retrieval_csv": retrieval_csv,
    "sharegpt4v_1k": sharegpt4v_1k,
    "urban1k": urban1k,
    "xm3600": xm3600,
    "xtd10": xtd10,
}
