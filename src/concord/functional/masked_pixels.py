"""Masked autoencoding of pixels (He et al. 2022): patches, random masks, targets and the loss.

Dimensions: B images, C channels, p patch side in pixels, P patches of an image in row-major order, n visible ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from concord.functional.precision import full_precision


@dataclass(frozen=True)
class PatchMask:
    """Which patches of each image stay visible.

    Attributes:
        keep: [B, n] int64, indices of the visible patches, in the random order in which the encoder receives them.
        inverse: [B, P] int64, where each patch sits in the shuffled order: visible ones first, then the removed ones.
        removed: [B, P] bool, True at patches that the encoder does not see.
    """

    keep: Tensor
    inverse: Tensor
    removed: Tensor


def visible_count(patches: int, ratio: float) -> int:
    """floor(P (1 - ratio)), at least one."""
    return max(1, math.floor(patches * (1 - ratio) + 1e-9))


def random_patch_mask(noise: Tensor, visible: int) -> PatchMask:
    """Keep the `visible` patches of each image with the smallest noise [B, P]."""
    order = noise.argsort(dim=1)
    inverse = order.argsort(dim=1)
    return PatchMask(keep=order[:, :visible], inverse=inverse, removed=inverse >= visible)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """[B, C, H, W] cut into [B, P, p * p * C]; inside a patch the order is row, column, channel.

    Raises:
        ValueError: if the sides of the images are not multiples of `patch_size`.
    """
    batch, channels, height, width = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"image sides must be multiples of patch_size {patch_size}, got {height} x {width}")
    rows, columns = height // patch_size, width // patch_size
    cells = images.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, patch_size * patch_size * channels)


def normalise_patches(patches: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Each patch [..., n] with mean 0 and variance 1, where the variance is the unbiased one plus `epsilon`."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True, correction=1)
    return (patches - mean) / (variance + epsilon).sqrt()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of each row of `values` [B, P] where `mask` is True, [B]; 0 where the mask is empty."""
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


@full_precision
def masked_pixel_loss(prediction: Tensor, target: Tensor, removed: Tensor) -> Tensor:
    """Squared error, averaged over the pixels of a patch, then over the removed patches of each image; [B].

    Every image loses as many patches, so that the mean over images is the mean over all removed patches.

    Args:
        prediction, target: [B, P, p * p * C].
        removed: [B, P] bool; patches that the encoder saw do not count.
    """
    error = (prediction - target).square().mean(dim=-1)
    return masked_mean(error, removed)
