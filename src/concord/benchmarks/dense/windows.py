"""How well each word fits each place of an image: patches of overlapping windows, compared with words (Wang et al. 2024, SCLIP).

Dimensions: H x W pixels of the resized image, n windows, P patches of a window, E embedding width, M words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from concord.benchmarks.protocol import Dense
from concord.errors import DataError
from concord.images import to_tensor
from concord.types import PatchAttention

LONGEST = 20
"""How many times as long as wide a picture may be."""


def resized(picture: Image.Image, short_side: int) -> Tensor:
    """An RGB picture, its shorter side brought to so many pixels, uint8 [3, H, W].

    Raises:
        DataError: for a strip that would become too long.
    """
    shorter = min(picture.size)
    if max(picture.size) > LONGEST * shorter:
        raise DataError(f"a picture of {picture.width} x {picture.height} pixels is too narrow to be cut into windows")
    width, height = (round(short_side * side / shorter) for side in picture.size)
    return to_tensor(picture.resize((width, height), Image.Resampling.BILINEAR))


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows of a side begin; the last one is moved back to end with it."""
    count = -(-max(length - window, 0) // stride) + 1
    return [min(number * stride, length - window) for number in range(count)]


@dataclass(frozen=True)
class Windows:
    """How an image is looked at.

    Attributes:
        short_side: what its shorter side is brought to, pixels.
        window: side of a window, pixels.
        stride: distance of neighbouring windows, pixels.
        attention: how patches are read.
    """

    short_side: int
    window: int
    stride: int
    attention: PatchAttention

    def __post_init__(self) -> None:
        if self.attention not in get_args(PatchAttention):
            raise ValueError(f"attention must be one of {', '.join(get_args(PatchAttention))}, got {self.attention!r}")
        if not 1 <= self.window <= self.short_side:
            raise ValueError(f"window must lie in [1, short_side={self.short_side}], got {self.window}")
        if not 1 <= self.stride <= self.window:
            raise ValueError(f"stride must lie in [1, window={self.window}], got {self.stride}")

    def maps(self, scorer: Dense, pixels: Tensor, words: Tensor) -> Tensor:
        """Cosines of words with places, [M, H, W]: of each window upsampled from its patches, averaged where windows overlap.

        Args:
            scorer: embeds the patches.
            pixels: uint8 [3, H, W], no side shorter than a window.
            words: unit vectors [M, E].
        """
        side, height, width = self.window, *pixels.shape[-2:]
        corners = [(y, x) for y in window_starts(height, side, self.stride) for x in window_starts(width, side, self.stride)]
        cut = torch.stack([pixels[:, y : y + side, x : x + side] for y, x in corners])
        patches, grid = scorer.embed_patches(cut, self.attention)
        total, times = torch.zeros(len(words), height, width), torch.zeros(height, width)
        for (y, x), own in zip(corners, patches.float(), strict=True):
            cosines = (words @ own.T).reshape(-1, *grid)
            total[:, y : y + side, x : x + side] += F.interpolate(cosines[None], (side, side), mode="bilinear")[0]
            times[y : y + side, x : x + side] += 1
        return total.div_(times)
