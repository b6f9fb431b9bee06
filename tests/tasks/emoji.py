"""Shards in the manner of the emoji data set, small: PNG pictures with alpha, an English text, names by language in the JSON."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from tests.conftest import ROOT
from tests.data.samples import WORDS, Content, write_tar

EMOJI = Path(os.environ.get("CONCORD_EMOJI", ROOT.parent / "shared" / "data" / "emoji"))
"""The real ones, where they are."""


def write_emoji(folder: Path, count: int = 60, shards: int = 3) -> Path:
    """Made-up emoji; the keys are such that each part of the split gets some."""
    for shard in range(shards):
        numbers = range(shard * count // shards, (shard + 1) * count // shards)
        write_tar(folder / f"emoji-{shard:05d}.tar", [member for number in numbers for member in _members(number)])
    return folder


def _members(number: int) -> list[tuple[str, Content]]:
    key, name = f"emoji_u1f{number:03x}", f"{WORDS[number % 3]} {WORDS[5 + number % 3]} number {number}"
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (32, 32, 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "PNG")
    document = {"char": chr(0x1F300 + number), "codepoints": [f"1f{number:03x}"], "names": {"en": name, "de": f"{name} auf Deutsch"}}
    return [(f"{key}.png", buffer.getvalue()), (f"{key}.txt", name), (f"{key}.json", document)]
