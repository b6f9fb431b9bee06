"""Every data set of the web that has a name in `conf/data`, tiny, in the exact layout that its users get. Those of medicine are in
`tests/data/medical`, and `every_named` gathers them all.

A builder writes the data set to a folder. Pictures have one shade of grey each, the number of the example.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import webdataset

from tests.conftest import ROOT
from tests.data.samples import encode


@dataclass
class Named:
    """A data set as it was written.

    Attributes:
        path: what `data.path` is set to.
        examples: by key, in the order of the source: the captions with their roles.
        overrides: that are needed besides.
    """

    path: Path
    examples: dict[str, list[tuple[str, str]]]
    overrides: list[str] = field(default_factory=list)


Builder = Callable[[Path], Named]


def plain(*captions: str) -> list[tuple[str, str]]:
    return [(caption, "") for caption in captions]


def jpeg(number: int) -> bytes:
    return encode(number, "JPEG", 40)


def put(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(number) if name.endswith(".jpg") else encode(number, "PNG", 40))


# img2dataset: two shards of up to two examples, each with its table and its statistics beside it


def img2dataset(
    folder: Path, rows: list[tuple[str | None, dict[str, Any]]], shard_digits: int = 5, sample_digits: int = 4
) -> dict[str, str | None]:
    """Write caption and additional columns of each row; an address that could not be fetched follows, as it does in reality."""
    folder.mkdir(parents=True, exist_ok=True)
    keys: dict[str, str | None] = {}
    for shard in range(0, len(rows), 2):
        table = []
        stem = folder / f"{shard // 2:0{shard_digits}}"
        with webdataset.TarWriter(f"{stem}.tar") as tar:
            for number, (caption, additional) in enumerate(rows[shard : shard + 2]):
                key = f"{shard // 2:0{shard_digits}}{number:0{sample_digits}}"
                meta = row_of_img2dataset(key, shard + number, caption, additional)
                members = {"__key__": key, "jpg": jpeg(shard + number), "json": json.dumps(meta, indent=4)}
                tar.write({**members, "txt": caption if caption is not None else ""})
                table.append(meta)
                keys[key] = caption
            failed = {
                **row_of_img2dataset(f"{stem.name}{9:0{sample_digits}}", 9, "never fetched", rows[0][1]),
                "status": "failed_to_download",
            }
            table.append({**failed, "error_message": "HTTP Error 404: Not Found", "sha256": None})
        pq.write_table(pa.Table.from_pylist(table), f"{stem}.parquet")
        Path(f"{stem}_stats.json").write_text(json.dumps({"count": 3, "successes": 2, "failed_to_download": 1}, indent=4))
    return keys


def row_of_img2dataset(key: str, number: int, caption: str | None, additional: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {"width": 40, "height": 40, "original_width": 400, "original_height": 400}
    status = {"key": key, "status": "success", "error_message": None, **sizes, "exif": "{}", "sha256": f"{number:064x}"}
    return {**additional, "caption": caption, "url": f"https://example.com/{number}.jpg", **status}


def shards(**additional: Any) -> Builder:
    def build(folder: Path) -> Named:
        captions = ["a harbour at dusk", "two people, laughing", "<PERSON> on a stage"]
        keys = img2dataset(
            folder, [(caption, {name: value[number] for name, value in additional.items()}) for number, caption in enumerate(captions)]
        )
        return Named(folder, {key: plain(str(caption)) for key, caption in keys.items()})

    return build


def yfcc15m(folder: Path) -> Named:
    """Shards without JSON, as they are made from YFCC100M's table; names are photo identifiers."""
    folder.mkdir(parents=True)
    photos = {"4203852345": "Sunset. Taken from the pier", "2871337": "IMG 2043", "7731": "Café"}
    with webdataset.TarWriter(str(folder / "yfcc-000000.tar")) as tar:
        for number, (photo, text) in enumerate(photos.items()):
            tar.write({"__key__": photo, "jpg": jpeg(number), "txt": text})
    return Named(folder, {photo: plain(text) for photo, text in photos.items()})


def datacomp(folder: Path) -> Named:
    """download_upstream.py: shards/SCALE with names of 8 digits, keys of 12, metadata beside the folder of shards."""
    rows = [(f"alt text {number}", {"uid": f"{number:032x}"}) for number in range(3)]
    keys = img2dataset(folder / "shards/small", rows, shard_digits=8)
    (folder / "metadata/small").mkdir(parents=True)
    pq.write_table(
        pa.table({"uid": ["0" * 32], "url": ["https://example.com/0.jpg"], "text": ["alt text 0"]}), folder / "metadata/small/0.parquet"
    )
    return Named(folder / "shards/small", {key: plain(str(caption)) for key, caption in keys.items()})


def wit(folder: Path) -> Named:
    def page(language: str, attribution: str | None, alt: str | None) -> dict[str, str | None]:
        return {"language": language, "caption_attribution_description": attribution, "caption_alt_text_description": alt}

    rows = [
        ("Half Dome in summer", page("en", "English: Half Dome", "a granite dome")),
        (None, page("de", "Deutsch: Ein Turm", None)),
        ("Une église", page("fr", None, None)),
    ]
    examples = [
        [("Half Dome in summer", "original"), ("a granite dome", "alt"), ("English: Half Dome", "attribution")],
        [("Deutsch: Ein Turm", "attribution")],
        [("Une église", "original")],
    ]
    return Named(folder, dict(zip(img2dataset(folder, rows), examples, strict=True)))


def wit_base(folder: Path) -> Named:
    """Two of the Parquet files of wikimedia/wit_base."""
    pages: list[list[tuple[str, str | None, str | None]]] = [
        [("en", "A bridge", "bridge"), ("de", "Eine Brücke", None), ("fr", None, None)],
        [("en", None, "no reference")],
        [("zh", "一座塔", None)],
        [("de", "Ein Haus", None), ("de", "Ein altes Haus", None)],
    ]
    text = pa.list_(pa.string())
    features = pa.struct(
        [(name, text) for name in ("language", "page_url", "page_title", "caption_reference_description", "caption_alt_text_description")]
    )
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("image_url", pa.string()),
            ("embedding", pa.list_(pa.float64())),
            ("metadata_url", pa.string()),
            ("original_height", pa.int32()),
            ("original_width", pa.int32()),
            ("mime_type", pa.string()),
            ("caption_attribution_description", pa.string()),
            ("wit_features", features),
        ]
    )
    (folder / "data").mkdir(parents=True)
    for file in range(2):
        rows = [wit_base_row(number, pages[number]) for number in (2 * file, 2 * file + 1)]
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"data/train-0000{file}-of-00330.parquet", row_group_size=1)
    captioned = [number for number, page in enumerate(pages) if any(reference for _, reference, _ in page)]
    spoken = {number: [(reference, language) for language, reference, _ in pages[number] if reference] for number in captioned}
    return Named(folder / "data", {image_url(number): captions for number, captions in spoken.items()})


def wit_base_row(number: int, page: list[tuple[str, str | None, str | None]]) -> dict[str, Any]:
    languages, references, alts = (list(values) for values in zip(*page, strict=True))
    return {
        "image": {"bytes": jpeg(number), "path": f"{number}.jpg"},
        "image_url": image_url(number),
        "embedding": [0.5, 0.25],
        "metadata_url": f"http://commons.wikimedia.org/wiki/File:{number}.jpg",
        "original_height": 400,
        "original_width": 400,
        "mime_type": "image/jpeg",
        "caption_attribution_description": "by somebody",
        "wit_features": {
            "language": languages,
            "page_url": [f"https://{language}.wikipedia.org/wiki/{number}" for language in languages],
            "page_title": ["Title"] * len(languages),
            "caption_reference_description": references,
            "caption_alt_text_description": alts,
        },
    }


def image_url(number: int) -> str:
    return f"https://upload.wikimedia.org/wikipedia/commons/{number}.jpg"


def redcaps(folder: Path) -> Named:
    posts = {
        "birds_2019": [("birds", "cxq9o2", "A heron [OC]")],
        "itookapicture_2020": [("itookapicture", "f1b1bd", "ITAP of my dog"), ("itookapicture", "guli1", "Fog")],
    }
    (folder / "annotations").mkdir(parents=True)
    for name, listed in posts.items():
        info = {"start_date": f"{name[-4:]}-01-01", "end_date": f"{name[-4:]}-12-31", "url": "https://redcaps.xyz", "version": "1.0"}
        annotations = [
            {
                "image_id": image,
                "author": "someone",
                "url": f"https://i.redd.it/{image}.jpg",
                "raw_caption": title,
                "caption": title.removesuffix(" [OC]").lower(),
                "subreddit": subreddit,
                "score": 21,
                "created_utc": 1577836800,
                "permalink": f"/r/{subreddit}/comments/{image}/",
                "crosspost_parents": None,
            }
            for subreddit, image, title in listed
        ]
        (folder / f"annotations/{name}.json").write_text(json.dumps({"info": info, "annotations": annotations}))
    examples = {
        "birds/cxq9o2.jpg": plain("a heron"),
        "itookapicture/f1b1bd.jpg": plain("itap of my dog"),
        "itookapicture/guli1.jpg": plain("fog"),
    }
    put(folder / "images", list(examples))
    return Named(folder, examples)


def coco(folder: Path) -> Named:
    examples = {
        "000000391895.jpg": plain("A man with a red helmet", "Man riding a bike"),
        "000000522418.jpg": plain("A woman cuts a cake ."),
    }
    images = [
        {
            "license": 3,
            "file_name": name,
            "coco_url": f"http://images.cocodataset.org/train2017/{name}",
            "height": 40,
            "width": 40,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": "http://farm9.staticflickr.com/1.jpg",
            "id": int(name.removesuffix(".jpg")),
        }
        for name in examples
    ]
    captions = [(image["id"], text) for image in images for text, _ in examples[str(image["file_name"])]]
    annotations = [{"image_id": image, "id": 770337 + number, "caption": text} for number, (image, text) in enumerate(captions)]
    document = {"info": {"year": 2017}, "licenses": [{"id": 3}], "images": images, "annotations": annotations}
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"annotations/captions_{split}2017.json").write_text(json.dumps(document))
        put(folder / f"{split}2017", list(examples))
    return Named(folder, examples)


def coco_karpathy(folder: Path) -> Named:
    splits = {
        "train": "train2014/COCO_train2014_000000000009.jpg",
        "restval": "val2014/COCO_val2014_000000000042.jpg",
        "test": "val2014/COCO_val2014_000000391895.jpg",
    }
    images = [karpathy_image(number, split, name, ["A shoe rack .", "Shoes"]) for number, (split, name) in enumerate(splits.items())]
    for image, name in zip(images, splits.values(), strict=True):
        image |= {"filepath": name.split("/")[0], "filename": name.split("/")[1], "cocoid": int(name[-16:-4])}
    folder.mkdir(parents=True)
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    put(folder, list(splits.values()))
    return Named(folder, {splits[split]: plain("A shoe rack .", "Shoes") for split in ("train", "restval")})


def flickr30k(folder: Path) -> Named:
    splits = [("train", "1000092795.jpg"), ("train", "10002456.jpg"), ("test", "1007129816.jpg"), ("val", "1018148011.jpg")]
    images = [karpathy_image(number, split, name, ["Two young guys .", "They wear hats"]) for number, (split, name) in enumerate(splits)]
    folder.mkdir(parents=True)
    (folder / "dataset_flickr30k.json").write_text(json.dumps({"images": images, "dataset": "flickr30k"}))
    put(folder / "flickr30k-images", [name for _, name in splits])
    return Named(folder, {name: plain("Two young guys .", "They wear hats") for split, name in splits if split == "train"})


def karpathy_image(number: int, split: str, name: str, texts: list[str]) -> dict[str, Any]:
    sentences = [
        {"tokens": text.lower().split(), "raw": text, "imgid": number, "sentid": 5 * number + place} for place, text in enumerate(texts)
    ]
    return {
        "sentids": [sentence["sentid"] for sentence in sentences],
        "imgid": number,
        "sentences": sentences,
        "split": split,
        "filename": name,
    }


def flickr30k_tokens(folder: Path) -> Named:
    examples = {"1000092795.jpg": plain("Two young guys .", "Hands # 1"), "10002456.jpg": plain("A pulley system .")}
    folder.mkdir(parents=True)
    (folder / "results_20130124.token").write_text(token_lines(examples))
    put(folder / "flickr30k-images", list(examples))
    return Named(folder, examples)


def flickr8k(folder: Path) -> Named:
    examples = {"1000268201_693b08cb0e.jpg": plain("A child on stairs .", "A girl"), "1001773457_577c3a7d70.jpg": plain("Two dogs")}
    others = {"1002674143_1b742ab4b8.jpg": plain("A test image"), "2258277193_586949ec62.jpg.1": plain("an image that never was there")}
    folder.mkdir(parents=True)
    (folder / "Flickr8k.token.txt").write_text(token_lines({**examples, **others}))
    (folder / "Flickr_8k.trainImages.txt").write_text("".join(f"{name}\n" for name in examples))
    (folder / "Flickr_8k.devImages.txt").write_text("")
    (folder / "Flickr_8k.testImages.txt").write_text("1002674143_1b742ab4b8.jpg\n")
    put(folder / "Flicker8k_Dataset", [*examples, "1002674143_1b742ab4b8.jpg"])
    return Named(folder, examples)


def token_lines(examples: Mapping[str, list[tuple[str, str]]]) -> str:
    return "".join(f"{name}#{number}\t{text}\n" for name, captions in examples.items() for number, (text, _) in enumerate(captions))


def scicap(folder: Path) -> Named:
    captions = {"000000501522.png": "Bit error ratio of LDPC code", "000000501523.png": "Loss over epochs"}
    images = [{"file_name": name, "id": int(name[:-4]), "figure_type": "Graph Plot", "ocr": ["dB"]} for name in captions]
    annotations = [
        {
            "image_id": int(name[:-4]),
            "id": 835714 + number,
            "caption": f"Figure {number}: {text}",
            "caption_no_index": text,
            "paragraph": [f"Figure {number} shows it."],
            "mention": [[f"Figure {number} shows it."]],
        }
        for number, (name, text) in enumerate(captions.items())
    ]
    folder.mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
        put(folder / f"share-task-img-mask/arxiv/{split}", list(captions))
    return Named(folder, {name: plain(text) for name, text in captions.items()})


NAMED: dict[str, Builder] = {
    "cc3m": shards(),
    "cc12m": shards(),
    "coco": coco,
    "coco_karpathy": coco_karpathy,
    "datacomp": datacomp,
    "flickr30k": flickr30k,
    "flickr30k_tokens": flickr30k_tokens,
    "flickr8k": flickr8k,
    "laion": shards(NSFW=["UNLIKELY", "NSFW", None], similarity=[0.31, 0.35, 0.29], LICENSE=["?", "?", None]),
    "redcaps": redcaps,
    "sbu": shards(),
    "scicap": scicap,
    "wit": wit,
    "wit_base": wit_base,
    "yfcc15m": yfcc15m,
}


@cache
def every_named() -> dict[str, Builder]:
    """The `NAMED` of this file and of every `*_fixtures.py` of medical data."""
    files = sorted((ROOT / "tests/data/medical").rglob("*_fixtures.py"))
    modules = [import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in files]
    return NAMED | {name: build for module in modules for name, build in getattr(module, "NAMED", {}).items()}
