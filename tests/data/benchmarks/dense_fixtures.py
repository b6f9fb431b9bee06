"""Every test of places in `conf/test`, tiny, in its exact layout, at the place where its yaml looks for it.

The colour of a pixel tells the number that its mask holds there, and sides are those that images are brought to, so that a model
that knows the colours is right everywhere.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.data.benchmarks.compositional_fixtures import write_photographs

BAND = 16
"""Pixels; JPEG's largest blocks."""


def colours(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A colour for each number, [H, W] -> [H, W, 3]."""
    red, green = numbers % 16 * 16 + 8, numbers // 16 * 16 + 8
    return np.stack([red, green, np.full_like(numbers, 128)], axis=-1)


def numbers_of(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What `colours` was given, [..., 3] -> [...], after JPEG too."""
    return pixels[..., 0] // 16 + pixels[..., 1].astype(np.int64) // 16 * 16


def bands(numbers: Sequence[int], side: int) -> NDArray[np.uint8]:
    """Upright stripes, [side, side]; the last number has what is left of the picture."""
    columns = np.full(side, numbers[-1], dtype=np.uint8)
    width = side // len(numbers) // BAND * BAND
    for place, number in enumerate(numbers):
        columns[place * width : (place + 1) * width] = number
    return np.tile(columns, (side, 1))


def encode_image(numbers: NDArray[np.uint8], suffix: str) -> bytes:
    buffer = io.BytesIO()
    kind = {"format": "PNG"} if suffix.endswith(".png") else {"format": "JPEG", "quality": 95, "subsampling": 0}
    Image.fromarray(colours(numbers)).save(buffer, **kind)
    return buffer.getvalue()


def encode_mask(numbers: NDArray[np.uint8], palette: bool) -> bytes:
    """A PNG; with a palette in which neighbouring numbers have unlike colours, or in grey."""
    picture = Image.fromarray(numbers)
    if palette:
        picture = Image.frombytes("P", numbers.shape[::-1], numbers.tobytes())
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def segmented(
    folder: str, images: str, masks: str, suffixes: tuple[str, str], names: Sequence[str], numbers: Sequence[Sequence[int]], side: int,
    split: str | None, palette: bool, root: Path,
) -> None:  # fmt: skip
    """An image and a mask for each list of numbers."""
    for name, own in zip(names, numbers, strict=True):
        stripes = bands(own, side)
        write(root / folder / images / f"{name}{suffixes[0]}", encode_image(stripes, suffixes[0]))
        write(root / folder / masks / f"{name}{suffixes[1]}", encode_mask(stripes, palette))
    if split is not None:
        write(root / folder / split, ("\n".join(names) + "\n").encode())


VOC = partial(
    segmented, "VOCdevkit/VOC2012", "JPEGImages", "SegmentationClass", (".jpg", ".png"),
    ["2007_000033", "2007_000042", "2011_003276"], [[0, 1, 15, 255], [0, 20, 11], [15, 0, 255]], 336,
    "ImageSets/Segmentation/val.txt", True,
)  # fmt: skip

CONTEXT = partial(
    segmented, "VOCdevkit/VOC2010", "JPEGImages", "SegmentationClassContext", (".jpg", ".png"),
    ["2008_000002", "2008_000003"], [[0, 1, 59], [37, 59, 12]], 336, "ImageSets/SegmentationContext/val.txt", False,
)  # fmt: skip

ADE = partial(
    segmented, "ADEChallengeData2016", "images/validation", "annotations/validation", (".jpg", ".png"),
    ["ADE_val_00000001", "ADE_val_00000002"], [[0, 1, 150], [2, 17, 1]], 336, None, False,
)  # fmt: skip

# Two tests bring these to different sides, so that each has one colour.
COCO = partial(
    segmented, "coco_stuff164k", "images/val2017", "annotations/val2017", (".jpg", ".png"),
    ["000000000139", "000000000285"], [[89], [181]], 448, None, False,
)  # fmt: skip

CITYSCAPES = partial(
    segmented, "cityscapes", "leftImg8bit/val", "gtFine/val", ("_leftImg8bit.png", "_gtFine_labelIds.png"),
    ["frankfurt/frankfurt_000000_000294", "munster/munster_000000_000019"], [[0, 7, 33, 26], [7, 8, 1]], 560, None, False,
)  # fmt: skip


# RefCOCO: photographs of 40 x 30 pixels whose colours differ everywhere. An image is in several lines, one for each thing.


def reclip(file: str, splits: Sequence[str], root: Path) -> None:
    folder = root / "reclip_data"
    write_photographs(folder / "train2014", [f"COCO_train2014_{image:012}.jpg" for image in (11, 12)])
    boxes = {21: [0.0, 0, 20, 30], 22: [20.0, 0, 20.5, 30], 11: [5, 5, 6, 6]}
    for split in splits:
        lines = [
            {
                "image_id": image,
                "file_name": f"COCO_train2014_{image:012}_{meant}.jpg",
                "ann_id": meant,
                "anns": [{"id": number, "bbox": box} for number, box in boxes.items()],
                "sentences": [{"raw": f"Left dog {image} {meant} {split}"}, {"raw": f"thing {meant} of {image}"}],
            }
            for image, meant in ((11, 11), (11, 22), (12, 21))
        ]
        write(folder / f"{file}_{split}.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())


FIXTURES: dict[str, Callable[[Path], None]] = {
    "voc20": VOC,
    "voc21": VOC,
    "context59": CONTEXT,
    "context60": CONTEXT,
    "ade20k": ADE,
    "coco_stuff": COCO,
    "coco_object": COCO,
    "cityscapes": CITYSCAPES,
    "refcoco": partial(reclip, "refcoco", ("val", "testa", "testb")),
    "refcoco_plus": partial(reclip, "refcoco+", ("val", "testa", "testb")),
    "refcocog": partial(reclip, "refcocog", ("val", "test")),
}
