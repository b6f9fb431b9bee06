"""Pictures, labels and captions in CLIP_benchmark's layout, and a small OpenCLIP model, all from seeds."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.data.samples import Content, write_tar

COLOURS = {"red": (220, 40, 30), "green": (40, 190, 60), "blue": (40, 70, 220), "yellow": (230, 210, 40)}
PATTERNS = ("stripes", "a disc", "a chessboard")
CLASSES = [f"{colour} {pattern.removeprefix('a ')}" for colour in COLOURS for pattern in PATTERNS]
FINDINGS = [*COLOURS, *(pattern.removeprefix("a ") for pattern in PATTERNS)]
TEMPLATES = ("a photo of {c}.", "{c}, seen from afar.", "a bad photo of the {c}.")
KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
SHARDS = 3

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def paint(colour: str, pattern: str, rng: np.random.Generator) -> Image.Image:
    """A coloured pattern on a smooth, noisy ground, at least 24 pixels a side."""
    height, width = rng.integers(24, 120, size=2).tolist()
    y, x = np.mgrid[:height, :width]
    ground = 110 + 60 * np.sin(x / rng.uniform(5, 40) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(5, 40))
    pixels = np.repeat(ground[..., None], 3, axis=2) + rng.normal(0, 12, (height, width, 3))
    step = rng.uniform(4, 9)
    inside = {
        "stripes": (x + y) // step % 2 == 0,
        "a disc": np.hypot(x - width / 2, y - height / 2) < min(height, width) * rng.uniform(0.25, 0.45),
        "a chessboard": (x // step + y // step) % 2 == 0,
    }[pattern]
    pixels[inside] = np.array(COLOURS[colour]) + rng.normal(0, 10, (int(inside.sum()), 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(picture: Image.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, KINDS[suffix])
    return buffer.getvalue()


def draw(count: int, seed: int) -> Iterator[tuple[str, str, str, bytes]]:
    """So many colours, patterns, suffixes and pictures, some of which are grey, without the colour that they are said to have."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        colour, pattern = str(rng.choice(list(COLOURS))), str(rng.choice(PATTERNS))
        suffix = list(KINDS)[number % len(KINDS)]
        picture = paint(colour, pattern, rng)
        yield colour, pattern, suffix, encoded(picture.convert("L") if number % 29 == 7 and suffix != "webp" else picture, suffix)


def write_layout(folder: Path, examples: list[dict[str, Content]], kind: str | None = None, names: list[str] | None = None) -> Path:
    (folder / "test").mkdir(parents=True)
    (folder / "test/nshards.txt").write_text(str(SHARDS))
    if kind is not None:
        (folder / "dataset_type.txt").write_text(kind)
    if names is not None:
        (folder / "classnames.txt").write_text("\n".join(names))
        (folder / "zeroshot_classification_templates.txt").write_text("\n".join(TEMPLATES))
    for shard in range(SHARDS):
        part = list(enumerate(examples))[shard * len(examples) // SHARDS : (shard + 1) * len(examples) // SHARDS]
        write_tar(
            folder / f"test/{shard}.tar", [(f"s{number:07d}.{suffix}", content) for number, one in part for suffix, content in one.items()]
        )
    return folder


def write_data(root: Path) -> Path:
    """`classes`, `findings` and `captions`, data sets in CLIP_benchmark's layout, and `pairs.tar`, to learn from."""
    classes = [
        {suffix: picture, "cls": str(CLASSES.index(f"{colour} {pattern.removeprefix('a ')}"))}
        for colour, pattern, suffix, picture in draw(240, seed=1)
    ]
    write_layout(root / "classes", classes, names=CLASSES)
    findings = []
    for colour, pattern, suffix, picture in draw(150, seed=2):
        buffer = io.BytesIO()
        np.save(buffer, np.array([name in (colour, pattern.removeprefix("a ")) for name in FINDINGS], dtype=np.int64))
        findings.append({suffix: picture, "npy": buffer.getvalue()})
    write_layout(root / "findings", findings, "multilabel", FINDINGS)
    captions = [
        {suffix: picture, "txt": "\n".join(said(colour, pattern, n))}
        for n, (colour, pattern, suffix, picture) in enumerate(draw(200, seed=3))
    ]
    write_layout(root / "captions", captions, "retrieval")
    pairs = [
        (f"p{number:05d}.{suffix}", content)
        for number, (colour, pattern, kind, picture) in enumerate(draw(300, seed=4))
        for suffix, content in ((kind, picture), ("txt", f"a photo of {colour} {pattern.removeprefix('a ')}."))
    ]
    write_tar(root / "pairs.tar", pairs)
    return root


def said(colour: str, pattern: str, number: int) -> list[str]:
    """One to three captions; no two pictures share one."""
    lines = [
        f"{pattern} in {colour}, page {number}",
        f"page {number} shows {pattern}; it is {colour}",
        f"number {number}: {colour} {pattern}",
    ]
    return lines[: 1 + number % 3]


def write_random_model(folder: Path) -> Path:
    """An OpenCLIP model whose weights come from a seed, in a folder that its own `local-dir:` reads."""
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    model: Any = open_clip.create_model(f"local-dir:{folder}")
    rng = np.random.default_rng(5)
    weights = {}
    for name, tensor in sorted(model.state_dict().items()):
        size = tuple(tensor.shape)
        start = 1.0 if name.endswith("weight") and len(size) == 1 else 0.0  # of a normalisation
        spread = 0.1 if len(size) < 2 else min(0.3, size[-1] ** -0.5)
        weights[name] = torch.from_numpy(np.asarray(start + spread * rng.standard_normal(size), dtype=np.float32))
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder
