"""Masked autoencoding on the image tower, beside whatever else trains it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from concord.errors import IncompatibleError
from concord.functional.masked_pixels import (
    masked_mean,
    masked_pixel_loss,
    normalise_patches,
    patchify,
    random_patch_mask,
    visible_count,
)
from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower
from concord.models.mae_decoder import MAEDecoder
from concord.objectives.base import Objective, Step, Terms
from concord.types import Features, ImageView, Paper


class MAE(Objective):
    """Rebuild the pixels of the patches that the image tower did not see (He et al. 2022).

    The tower runs once more, on the visible patches alone. Differs from the paper: no class token enters the decoder.

    Args:
        weight: factor in the training loss.
        mask_ratio: share of the patches that is removed, in (0, 1).
        width: width of the decoder, a multiple of 4 and of `heads`.
        depth: Transformer blocks of the decoder.
        heads: attention heads of the decoder.
        normalise_pixels: whether each patch of the target has mean 0 and variance 1.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    paper = Paper(
        title="Masked Autoencoders Are Scalable Vision Learners",
        authors="He et al.",
        year=2022,
        link="arXiv:2111.06377",
    )
    decoder: MAEDecoder

    def __init__(
        self,
        weight: float = 1.0,
        mask_ratio: float = 0.75,
        width: int = 512,
        depth: int = 8,
        heads: int = 16,
        normalise_pixels: bool = True,
    ) -> None:
        super().__init__(weight)
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio must lie in (0, 1), got {mask_ratio}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        if heads < 1:
            raise ValueError(f"heads must be at least 1, got {heads}")
        if width < 1 or width % 4 or width % heads:
            raise ValueError(f"width must be a multiple of 4 and of heads ({heads}), got {width}")
        self.mask_ratio = mask_ratio
        self.width = width
        self.depth = depth
        self.heads = heads
        self.normalise_pixels = normalise_pixels

    def check(self, model: DualEncoder) -> None:
        if not model.image.supports_masking:
            raise IncompatibleError(
                "mae needs an image tower that can encode some of its patches, which this one cannot; use a ViT (vit_*)"
            )
        if model.image.pooling in ("cascade", "queries"):
            raise IncompatibleError(
                f"mae needs the tokens of patches, which image.pooling={model.image.pooling} replaces by its queries; use another pooling"
            )

    def setup(self, model: DualEncoder) -> None:
        self.decoder = MAEDecoder(
            model.image.width, model.image.patch_size, len(model.image.get_buffer("mean")), self.width, self.depth, self.heads
        )

    def forward(self, step: Step) -> Terms:
        pixels = step.pixels("image")
        noise = self._noise(len(pixels), math.prod(step.model.image.grid_size(*pixels.shape[-2:])), pixels.device)
        losses, scale = step.in_pieces(partial(self._rebuild, step.model.image), pixels, noise)
        return Terms.mean(losses, logs={"relative_error": losses.detach().mean() / scale.mean().clamp(min=1e-12)})

    def _rebuild(self, tower: ImageTower, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Of images [B, C, H, W] with noise [B, P]: what each costs, and the mean square of what it should be, [B]."""
        images = tower.normalize(pixels)
        target = self._target(images, tower.patch_size)
        mask = random_patch_mask(noise, visible_count(noise.shape[1], self.mask_ratio))
        visible: Features = tower(images, keep=mask.keep)
        prediction = self.decoder(visible.tokens, mask.inverse, tower.grid_size(*images.shape[-2:]))
        return masked_pixel_loss(prediction, target, mask.removed), masked_mean(target.square().mean(dim=-1), mask.removed)

    def _target(self, images: Tensor, patch_size: int) -> Tensor:
        """[B, P, p * p * C], in the units of the tower's input or, where chosen, normalised by patch."""
        patches = patchify(images, patch_size)
        return normalise_patches(patches) if self.normalise_pixels else patches

    def _noise(self, images: int, patches: int, device: torch.device | None = None) -> Tensor:
        """[B, P] uniform: every image has a mask of its own."""
        return torch.rand(images, patches, device=device)
