"""The image tower: any timm model, with one interface for pooled vectors and tokens.

Dimensions: B images, C channels, H x W pixels, P patches, N tokens, D width.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import timm
import torch
from timm.layers import AttentionPoolLatent, LayerNorm  # type: ignore[attr-defined]
from timm.models import VisionTransformer, is_model_in_modules
from torch import Tensor, nn

from concord.errors import ConfigError, IncompatibleError, nearest
from concord.models.accelerate import accelerate
from concord.models.poolers import AttentionPooler, CascadePooler
from concord.models.stem import ConvolutionStem, hide_patches
from concord.models.transformer import Activation
from concord.types import Features

ImagePooling = Literal["class", "average", "attention", "cascade", "queries"]
ImageStem = Literal["linear", "convolution"]

# What timm calls our options.
_TIMM_NAMES = {
    "image_size": "img_size",
    "patch_size": "patch_size",
    "width": "embed_dim",
    "depth": "depth",
    "heads": "num_heads",
    "drop_path": "drop_path_rate",
    "mlp_ratio": "mlp_ratio",
    "activation": "act_layer",
    "norm_eps": "norm_layer",
    "pre_norm": "pre_norm",
    "layer_scale": "init_values",
}


class ImageTower(nn.Module):
    """A timm model that gives one pooled vector and one token per patch, or per place of the last feature map.

    Args:
        name: timm's name of the model.
        pretrained: whether timm loads its published weights.
        pooling: "class" token; "average" of the tokens after the final norm (for convolutional models, timm's own head);
            "attention", one learned query (SigLIP's MAP head, Zhai et al. 2023); "cascade", CoCa's caption and contrast
            poolers, which makes the caption pooler's output the tokens; "queries", learned queries on all tokens before the final
            norm, of which the first gives the vector and the others the tokens (CoCa as OpenCLIP has it).
        image_size: side of the images the positions are made for, pixels. Vision Transformers take other sizes too.
        patch_size: side of a patch, pixels.
        width: D of a Vision Transformer.
        depth: number of its blocks.
        heads: attention heads of its blocks.
        drop_path: stochastic depth rate of the last block, in [0, 1).
        patch_dropout: share of patches left out in training, in [0, 1) (FLIP, Li et al. 2023). Vision Transformers only.
        stem: how a Vision Transformer embeds patches: one linear map each, or convolutions (Xiao et al. 2021), which learn
            from fewer images.
        mean, std: of the pixel values in [0, 1], per channel; None for those of the timm model.
        pool_heads: attention heads of the "attention", "cascade" and "queries" poolings.
        caption_queries: tokens of the "cascade" and "queries" poolings.
        pool_width: D of what the "queries" pooling gives; None for the width of the trunk.
        mlp_ratio: hidden width of the MLPs of a Vision Transformer over its width.
        activation: that of its MLPs.
        norm_eps: what its layer norms add to the variance.
        pre_norm: whether it has a norm before its first block, and then no bias in the patch embedding (CLIP).
        layer_scale: first value of learned factors on what its blocks add (Touvron et al. 2021).
        norm_after_pooling: whether its final norm comes after the mean of the "average" pooling instead of before (CLIPA).

    An option left at None keeps timm's value.

    Features: pooled [B, D]; tokens [B, N, D], patches in row-major order, without class or register tokens; mask None.

    Raises:
        ConfigError: an unknown model, or an option that this model does not take.
        IncompatibleError: a pooling or a patch dropout that this model cannot have.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        pooling: ImagePooling = "class",
        image_size: int | None = None,
        patch_size: int | None = None,
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        drop_path: float | None = None,
        patch_dropout: float = 0.0,
        stem: ImageStem = "linear",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        pool_heads: int = 8,
        caption_queries: int = 256,
        pool_width: int | None = None,
        mlp_ratio: float | None = None,
        activation: Activation | None = None,
        norm_eps: float | None = None,
        pre_norm: bool | None = None,
        layer_scale: float | None = None,
        norm_after_pooling: bool = False,
    ) -> None:
        super().__init__()
        if pooling not in get_args(ImagePooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(ImagePooling))}, got {pooling!r}")
        if stem not in get_args(ImageStem):
            raise ValueError(f"stem must be one of {', '.join(get_args(ImageStem))}, got {stem!r}")
        if not 0 <= patch_dropout < 1:
            raise ValueError(f"patch_dropout must lie in [0, 1), got {patch_dropout}")
        if pool_width is not None and pooling != "queries":
            raise ValueError(f"pool_width must be None unless pooling is 'queries', got {pool_width}")
        if norm_after_pooling and pooling != "average":
            raise ValueError(f"norm_after_pooling must be False unless pooling is 'average', got pooling={pooling!r}")
        sizes = {"image_size": image_size, "patch_size": patch_size, "width": width, "depth": depth, "heads": heads}
        layers = {"drop_path": drop_path, "mlp_ratio": mlp_ratio, "activation": activation, "norm_eps": norm_eps}
        layers |= {"pre_norm": pre_norm, "layer_scale": layer_scale}
        options = {key: value for key, value in (sizes | layers).items() if value is not None}
        self.name = name
        self.options = options
        self.pooling = pooling
        self.patch_dropout = patch_dropout
        self.stem = stem
        self.norm_after_pooling = norm_after_pooling
        self.trunk = _create_trunk(name, pretrained, pooling, stem, norm_after_pooling, options)
        self.supports_masking = isinstance(self.trunk, VisionTransformer)
        self.width: int = pool_width if pool_width is not None else self.trunk.num_features
        self.patch_size: int = self.trunk.feature_info[-1]["reduction"]
        self.image_size: int = image_size if image_size is not None else self.trunk.default_cfg["input_size"][-1]
        self._prefix: int = getattr(self.trunk, "num_prefix_tokens", 0)
        self._check_abilities()
        self.pooler = self._make_pooler(pool_heads, caption_queries)
        self._register_statistics("mean", mean)
        self._register_statistics("std", std)
        accelerate(self.trunk)

    def forward(
        self, images: Tensor, keep: Tensor | None = None, last_block: Callable[[nn.Module, Tensor], Tensor] | None = None
    ) -> Features:
        """Encode images.

        Args:
            images: [B, C, H, W], uint8 as they come from the data, or floats that are normalised already.
            keep: [B, n] int64, the patches to encode, in row-major numbering; None for all. The tokens come in this order.
            last_block: from the last block and its input [B, N, D] to what stands for its output; None for the block itself.

        Raises:
            IncompatibleError: `keep` or `last_block` for a model that is no Vision Transformer.
            ValueError: an image size that is no multiple of the patch size.
        """
        if keep is not None and not self.supports_masking:
            raise IncompatibleError(f"image.name={self.name} cannot encode a subset of patches; choose a Vision Transformer (vit_*)")
        if last_block is not None and not isinstance(self.trunk, VisionTransformer):
            raise IncompatibleError(f"image.name={self.name} has no attention of patches to change; choose a Vision Transformer (vit_*)")
        pixels = self.normalize(images) if images.dtype == torch.uint8 else images
        if not isinstance(self.trunk, VisionTransformer):
            return self._pool(self.trunk.forward_features(pixels))
        height, width = pixels.shape[-2:]
        if height % self.patch_size != 0 or width % self.patch_size != 0:
            raise ValueError(f"image sides must be multiples of patch_size={self.patch_size}, got {height} x {width}")
        if keep is None and self.training and self.patch_dropout > 0:
            keep = self._draw_patches(pixels)
        return self._pool(self._encode_patches(self.trunk, pixels, keep, last_block))

    def normalize(self, images: Tensor) -> Tensor:
        """uint8 [..., C, H, W] -> float with the tower's mean and standard deviation taken out."""
        return images.to(self.mean.dtype).mul_(1 / (255 * self.std)).sub_(self.mean / self.std)

    def grid_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the tokens of an image of this size, in pixels (before any pooling of tokens)."""
        return -(-height // self.patch_size), -(-width // self.patch_size)

    def _encode_patches(
        self,
        trunk: VisionTransformer,
        pixels: Tensor,
        keep: Tensor | None,
        last_block: Callable[[nn.Module, Tensor], Tensor] | None,
    ) -> Tensor:
        if keep is not None and self.stem == "convolution":
            pixels = hide_patches(pixels, keep, self.patch_size)
        x = trunk._pos_embed(trunk.patch_embed(pixels))
        if keep is not None:
            patches = x[:, self._prefix :].take_along_dim(keep[..., None], dim=1)
            x = torch.cat([x[:, : self._prefix], patches], dim=1)
        x = trunk.norm_pre(x)
        x = trunk.blocks(x) if last_block is None else last_block(trunk.blocks[-1], trunk.blocks[:-1](x))
        return trunk.norm(x)  # type: ignore[no-any-return]

    def _draw_patches(self, pixels: Tensor) -> Tensor:
        rows, columns = self.grid_size(*pixels.shape[-2:])
        count = max(1, int(rows * columns * (1 - self.patch_dropout)))
        noise = torch.rand(pixels.shape[0], rows * columns, device=pixels.device)
        return noise.argsort(dim=1)[:, :count].sort(dim=1).values

    def _pool(self, features: Tensor) -> Features:
        tokens = self._as_tokens(features)
        if isinstance(self.pooler, CascadePooler):
            return Features(*self.pooler(tokens))
        if isinstance(self.pooler, AttentionPooler):
            answers = self.pooler(features if features.ndim == 3 else tokens)
            return Features(answers[:, 0], answers[:, 1:])
        if self.pooler is not None:
            return Features(self.pooler(tokens), tokens)
        if self.pooling == "class":
            return Features(features[:, 0], tokens)
        if features.ndim == 4 and self.trunk.head_hidden_size == self.width:
            return Features(self.trunk.forward_head(features, pre_logits=True), tokens)
        if self.norm_after_pooling:
            return Features(self.trunk.fc_norm(tokens.mean(dim=1)), self.trunk.fc_norm(tokens))
        return Features(tokens.mean(dim=1), tokens)

    def _as_tokens(self, features: Tensor) -> Tensor:
        """The trunk's output as [B, N, D]."""
        if features.ndim == 3:
            return features[:, self._prefix :]
        if str(getattr(self.trunk, "output_fmt", "NCHW")) == "NHWC":
            return features.flatten(1, 2)
        return features.flatten(2).transpose(1, 2)

    def _make_pooler(self, heads: int, queries: int) -> nn.Module | None:
        if self.pooling == "cascade":
            return CascadePooler(self.width, queries, heads)
        if self.pooling == "queries":
            return AttentionPooler(self.width, queries + 1, heads, self.trunk.num_features)
        if self.pooling != "attention":
            return None
        own = getattr(self.trunk, "attn_pool", None)
        if own is None:
            return AttentionPoolLatent(self.width, num_heads=heads, norm_layer=nn.LayerNorm)
        self.trunk.attn_pool = None
        return own  # type: ignore[no-any-return]

    def _check_abilities(self) -> None:
        if self.patch_dropout > 0 and not self.supports_masking:
            raise IncompatibleError(f"image.patch_dropout needs a Vision Transformer (vit_*), image.name={self.name} is none")
        if self.norm_after_pooling and not self.supports_masking:
            raise IncompatibleError(f"image.norm_after_pooling needs a Vision Transformer (vit_*), image.name={self.name} is none")
        if self.pooling == "class" and not (self._prefix > 0 and getattr(self.trunk, "cls_token", None) is not None):
            raise IncompatibleError(f"image.pooling=class: {self.name} has no class token; use image.pooling=average or attention")

    def _register_statistics(self, name: str, given: list[float] | None) -> None:
        values = given if given is not None else list(self.trunk.default_cfg[name])
        channels = len(self.trunk.default_cfg[name])
        if len(values) != channels or (name == "std" and min(values) <= 0):
            raise ValueError(f"{name} must have {channels} values{' above 0' if name == 'std' else ''}, got {values}")
        self.register_buffer(name, torch.tensor(values)[:, None, None])


def _create_trunk(
    name: str, pretrained: bool, pooling: ImagePooling, stem: ImageStem, norm_after_pooling: bool, options: dict[str, Any]
) -> Any:
    """The timm model without its classifier."""
    if not timm.is_model(name):
        raise ConfigError(f"image.name={name} is no timm model; {nearest(name, timm.list_models())}")
    arguments: dict[str, Any] = {_TIMM_NAMES[key]: value for key, value in options.items()}
    if "norm_eps" in options:
        arguments["norm_layer"] = partial(LayerNorm, eps=options["norm_eps"])
    if is_model_in_modules(name, {"vision_transformer", "deit"}):
        # Pooling is ours, so that the final norm comes before it; "map" only keeps the weights of a published MAP head.
        arguments |= {"dynamic_img_size": True, "global_pool": "map" if pooling == "attention" else ""}
        if norm_after_pooling or pooling == "queries":
            arguments |= {"fc_norm": norm_after_pooling, "final_norm": norm_after_pooling}
    if stem == "convolution":
        arguments["embed_layer"] = ConvolutionStem
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        ours = {theirs: option for option, theirs in _TIMM_NAMES.items()} | {"embed_layer": "stem"}
        if unknown is not None and unknown[1] in ours:
            raise ConfigError(f"image.{ours[unknown[1]]} is not an option of timm's {name}; leave it null") from error
        raise ConfigError(f"timm cannot build {name} with {options}: {error}") from error
