"""The first layers of a Vision Transformer as a few small convolutions instead of one large one.

Dimensions: B images, C channels, H x W pixels, p side of a patch, D width.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from timm.layers.norm import LayerNorm2d
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn


class ConvolutionStem(PatchEmbed):
    """Patch embedding by convolutions of stride 2 until one place stands for one patch (Xiao et al. 2021, arXiv:2106.14881).

    It learns edges and shapes from far fewer images than a linear map of whole patches. Differs from the paper: layer norm
    instead of batch norm, so that an image's tokens do not depend on the rest of the batch.

    Args:
        patch_size: p, a power of 2, at least 4; as timm's PatchEmbed otherwise.
    """

    def __init__(self, img_size: int = 224, patch_size: int = 16, in_chans: int = 3, embed_dim: int = 768, **options: Any) -> None:
        if patch_size < 4 or patch_size & (patch_size - 1):
            raise ValueError(f"patch_size must be a power of 2 and at least 4 for a convolutional stem, got {patch_size}")
        super().__init__(img_size=img_size, patch_size=patch_size, in_chans=in_chans, embed_dim=embed_dim, **options)
        self.proj = convolutions(in_chans, embed_dim, halvings=patch_size.bit_length() - 1)  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        # With channels last, the norms between the convolutions need no copies.
        return super().forward(x.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return, no-untyped-call]


def convolutions(channels: int, width: int, halvings: int) -> nn.Sequential:
    """[B, C, H, W] -> [B, D, H / p, W / p] for p = 2 ** halvings. The width doubles with every halving of the picture."""
    widths = [channels, *(max(32, width >> (halvings - 1 - step)) for step in range(halvings))]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False), LayerNorm2d(after), nn.GELU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], width, kernel_size=1))


def hide_patches(pixels: Tensor, keep: Tensor, patch_size: int) -> Tensor:
    """Images [B, C, H, W] with every patch but those in `keep` [B, n] at zero, so that convolutions across borders see none of it."""
    rows, columns = pixels.shape[-2] // patch_size, pixels.shape[-1] // patch_size
    visible = torch.zeros(len(pixels), rows * columns, dtype=pixels.dtype, device=pixels.device).scatter(1, keep, 1.0)
    grid = visible.view(-1, 1, rows, columns)
    return pixels * grid.repeat_interleave(patch_size, dim=-2).repeat_interleave(patch_size, dim=-1)
