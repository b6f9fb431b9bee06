"""The image tower: timm and OpenCLIP as references, poolings, masking, crop sizes, refusals."""

from __future__ import annotations

from functools import partial
from typing import Any

import open_clip
import pytest
import timm
import torch
from tests.models.openclip_weights import copy_image_tower
from timm.layers import LayerNorm
from torch import Tensor, nn

from concord.errors import ConfigError, IncompatibleError
from concord.models import ImageTower
from concord.models.accelerate import PatchConvolution, PlainAttention

VIT = "vit_tiny_patch16_224"
SMALL: dict[str, Any] = {"image_size": 32, "patch_size": 8, "width": 32, "depth": 2, "heads": 2}
TIMM_SMALL: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 0}


def tower(name: str = VIT, **options: Any) -> ImageTower:
    torch.manual_seed(0)
    made = ImageTower(name, pool_heads=2, caption_queries=5, **{**SMALL, **options})
    for parameter in made.parameters():  # away from timm's near-zero class token and positions
        nn.init.normal_(parameter, std=0.2)
    return made.eval()


def pictures(count: int = 3, side: int = 32, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


REGISTERS = "vit_medium_patch16_reg4_gap_256"


@pytest.mark.parametrize(
    ("name", "pooling", "options"),
    [
        (VIT, "class", {}),
        (VIT, "average", {"global_pool": "avg", "fc_norm": False}),
        (VIT, "attention", {"global_pool": "map"}),
        (REGISTERS, "average", {"global_pool": "avg", "fc_norm": False}),
    ],
)
def test_features_equal_timms(name: str, pooling: Any, options: dict[str, Any]) -> None:
    ours = tower(name, pooling=pooling)
    theirs = timm.create_model(name, **TIMM_SMALL, **options).eval()
    pooler = {} if ours.pooler is None else {f"attn_pool.{key}": value for key, value in ours.pooler.state_dict().items()}
    theirs.load_state_dict(dict(ours.trunk.state_dict()) | pooler)
    images = ours.normalize(pictures())
    features = ours(images)
    assert torch.allclose(features.tokens, theirs.forward_features(images)[:, theirs.num_prefix_tokens :], atol=1e-5)
    assert torch.allclose(features.pooled, theirs(images), atol=1e-5)
    assert features.tokens.shape == (3, 16, 32)


def test_gradients_equal_timms() -> None:
    ours = tower("vit_base_patch32_clip_224")
    theirs = timm.create_model("vit_base_patch32_clip_224", **TIMM_SMALL)
    theirs.load_state_dict(ours.trunk.state_dict())
    images = ours.normalize(pictures())
    ours(images).pooled.square().sum().backward()
    theirs(images).square().sum().backward()
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.trunk.named_parameters():
        scale = float(expected[name].grad.abs().max())
        assert torch.allclose(parameter.grad, expected[name].grad, atol=1e-5 * max(1.0, scale)), name


def test_fast_layers_are_in_place() -> None:
    kinds = {type(module) for module in tower().modules()}
    assert {PatchConvolution, PlainAttention} <= kinds
    assert not kinds & {nn.Conv2d, timm.layers.Attention}


def test_embeddings_equal_open_clips() -> None:
    torch.manual_seed(1)
    reference = open_clip.transformer.VisionTransformer(
        image_size=32, patch_size=8, width=32, layers=2, heads=2, mlp_ratio=4.0, output_dim=16
    ).eval()
    ours = tower("vit_base_patch32_clip_224")
    copy_image_tower(reference, ours)
    images = ours.normalize(pictures())
    assert torch.allclose(ours(images).pooled @ reference.proj, reference(images), atol=1e-4)


@pytest.mark.parametrize(("name", "channels"), [("resnet18", 512), ("convnext_atto", 320), ("mobilenetv3_small_050", 288)])
def test_convolutional_towers_give_places_as_tokens(name: str, channels: int) -> None:
    torch.manual_seed(0)
    ours = ImageTower(name, pooling="average").eval()
    images = ours.normalize(pictures(2, 96))
    features = ours(images)
    assert features.tokens.shape == (2, 9, channels) == (2, 3 * 3, ours.width)
    assert ours.grid_size(96, 96) == (3, 3)
    places = ours.trunk.forward_features(images)
    assert torch.equal(features.tokens[:, 5], places[:, :, 1, 2])
    if name != "mobilenetv3_small_050":  # whose own head is wider than its features
        assert torch.allclose(features.pooled, ours.trunk(images), atol=1e-5)
    assert features.pooled.shape == (2, channels)


def test_channels_last_maps_are_read_in_row_major_order() -> None:
    torch.manual_seed(0)
    ours = ImageTower("swin_tiny_patch4_window7_224", pooling="attention", image_size=64, pool_heads=2).eval()
    images = ours.normalize(pictures(1, 64))
    assert torch.equal(ours(images).tokens[:, 1], ours.trunk.forward_features(images)[:, 0, 1])


def test_bytes_are_normalised_inside() -> None:
    ours = tower(mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 1.0])
    images = pictures()
    expected = (images.double() / 255 - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.5, 0.25, 1.0])[:, None, None]
    assert torch.allclose(ours.normalize(images).double(), expected, atol=1e-6)
    assert torch.allclose(ours(images).pooled, ours(expected.float()).pooled, atol=1e-5)
    assert {"mean", "std"} <= set(ours.state_dict())


def test_statistics_are_the_models_own_unless_given() -> None:
    assert torch.allclose(tower("vit_base_patch32_clip_224").mean.flatten(), torch.tensor([0.48145466, 0.4578275, 0.40821073]))


@pytest.mark.parametrize("pooling", ["class", "average", "attention", "cascade", "queries"])
def test_every_pooling_takes_smaller_crops(pooling: Any) -> None:
    ours = tower(pooling=pooling)
    features = ours(pictures(2, 16))
    assert features.pooled.shape == (2, 32)
    assert features.tokens.shape == (2, 5 if pooling in ("cascade", "queries") else 4, 32)


def test_sizes_that_cut_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of patch_size=8, got 20 x 20"):
        tower()(pictures(1, 20))


def test_cascade_pools_the_caption_tokens() -> None:
    ours = tower(pooling="cascade")
    features = ours(pictures())
    assert torch.allclose(features.pooled, ours.pooler.contrast(features.tokens)[:, 0], atol=1e-6)  # type: ignore[union-attr]


def test_queries_have_a_width_and_see_the_class_token() -> None:
    ours = tower(pooling="queries", pool_width=16)
    before = ours(pictures())
    assert ours.width == before.pooled.shape[1] == before.tokens.shape[2] == 16
    with torch.no_grad():
        ours.trunk.cls_token.copy_(10 * torch.randn(1, 1, 32))
        ours.pooler.queries.mul_(10)  # type: ignore[union-attr, operator]
    changed = ours(pictures()).pooled
    with torch.no_grad():
        ours.trunk.cls_token.neg_()
    assert not torch.allclose(ours(pictures()).pooled, changed, atol=1e-3)


def test_the_norm_may_come_after_the_mean() -> None:
    ours = tower(pooling="average", norm_after_pooling=True)
    trunk = ours.trunk
    blocks = trunk.forward_features(ours.normalize(pictures()))[:, 1:]
    features = ours(pictures())
    assert isinstance(trunk.norm, nn.Identity)
    assert torch.allclose(features.pooled, trunk.fc_norm(blocks.mean(dim=1)), atol=1e-5)
    assert torch.allclose(features.tokens, trunk.fc_norm(blocks), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mlp_ratio": 2.0}, {"mlp_ratio": 2.0}),
        ({"activation": "quick_gelu", "norm_eps": 0.1}, {"act_layer": "quick_gelu", "norm_layer": partial(LayerNorm, eps=0.1)}),
        ({"pre_norm": True, "layer_scale": 0.3}, {"pre_norm": True, "init_values": 0.3}),
    ],
)
def test_options_of_blocks_are_timms(options: dict[str, Any], named: dict[str, Any]) -> None:
    ours = tower(**options)
    reference = timm.create_model(VIT, global_pool="", **TIMM_SMALL, **named).eval()
    reference.load_state_dict(ours.trunk.state_dict())
    expected = reference.forward_features(ours.normalize(pictures()))
    assert torch.allclose(ours(pictures()).pooled, expected[:, 0], atol=1e-5)


@pytest.mark.parametrize("pooling", ["class", "average", "attention"])
def test_keeping_all_patches_changes_nothing(pooling: Any) -> None:
    ours = tower(pooling=pooling)
    full = ours(pictures())
    kept = ours(pictures(), keep=torch.arange(16).expand(3, -1))
    assert torch.equal(full.pooled, kept.pooled)
    assert torch.equal(full.tokens, kept.tokens)


def test_kept_patches_carry_their_own_positions() -> None:
    """The order of `keep` permutes the tokens and leaves the pooled vector alone, so positions travel with patches."""
    ours = tower()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0)).expand(3, -1)
    full, shuffled = ours(pictures()), ours(pictures(), keep=order)
    assert torch.allclose(shuffled.tokens, full.tokens[:, order[0]], atol=1e-5)
    assert torch.allclose(shuffled.pooled, full.pooled, atol=1e-5)


def test_left_out_patches_have_no_influence() -> None:
    ours, images = tower(), pictures()
    keep = torch.tensor([[0, 3, 9]]).expand(3, -1)
    changed = images.clone()
    changed[:, :, 8:16, 8:16] = 0  # patch 5
    before, after = ours(images, keep=keep), ours(changed, keep=keep)
    assert before.tokens.shape == (3, 3, 32)
    assert torch.equal(before.pooled, after.pooled)
    assert not torch.allclose(ours(images).pooled, ours(changed).pooled, atol=1e-3)


def test_patch_dropout_acts_in_training_only() -> None:
    plain, dropping = tower(), tower(patch_dropout=0.75)
    assert torch.equal(plain(pictures()).pooled, dropping(pictures()).pooled)
    assert dropping.train()(pictures()).tokens.shape == (3, 4, 32)
    assert torch.equal(plain.train()(pictures()).tokens, plain.eval()(pictures()).tokens)


def test_patch_dropout_is_fair_and_seeded() -> None:
    dropping = tower(patch_dropout=0.5)
    pixels = torch.zeros(4000, 3, 32, 32)
    torch.manual_seed(0)
    keep = dropping._draw_patches(pixels)
    assert (keep.diff(dim=1) > 0).all()
    frequency = torch.bincount(keep.flatten(), minlength=16) / 4000
    assert (frequency - 0.5).abs().max() < 0.04  # five standard deviations
    torch.manual_seed(0)
    assert torch.equal(keep, dropping._draw_patches(pixels))


def test_dropping_every_patch_keeps_one() -> None:
    assert tower(patch_dropout=0.99).train()(pictures()).tokens.shape == (3, 1, 32)


@pytest.mark.parametrize("pooling", ["class", "average", "attention", "cascade", "queries"])
def test_bf16_stays_finite_and_near(pooling: Any) -> None:
    ours = tower(pooling=pooling)
    with torch.autocast("cpu", torch.bfloat16):
        features = ours(pictures())
        features.pooled.square().mean().backward()
    exact = ours(pictures()).pooled
    assert (features.pooled.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(parameter.grad.isfinite().all() for parameter in ours.parameters() if parameter.grad is not None)


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"image\.name=vit_tiny_patch16_225 is no timm model; did you mean .*vit_tiny_patch16_224"):
        ImageTower("vit_tiny_patch16_225")


@pytest.mark.parametrize(
    ("option", "value"), [("image_size", 64), ("patch_size", 8), ("width", 32), ("depth", 2), ("heads", 2)]
)  # fmt: skip
def test_an_option_the_model_does_not_take_is_named(option: str, value: int) -> None:
    arguments: dict[str, Any] = {option: value}
    with pytest.raises(ConfigError, match=f"image.{option} is not an option of timm's resnet18"):
        ImageTower("resnet18", pooling="average", **arguments)


def test_what_a_model_cannot_do_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="resnet18 has no class token"):
        ImageTower("resnet18")
    with pytest.raises(IncompatibleError, match="patch_dropout needs a Vision Transformer"):
        ImageTower("resnet18", pooling="average", patch_dropout=0.5)
    convolutional = ImageTower("resnet18", pooling="average")
    assert not convolutional.supports_masking
    with pytest.raises(IncompatibleError, match="cannot encode a subset of patches"):
        convolutional(pictures(), keep=torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "cls"}, "pooling must be one of class, average, attention, cascade, queries, got 'cls'"),
        ({"pool_width": 8}, "pool_width must be None unless pooling is 'queries', got 8"),
        ({"norm_after_pooling": True}, "norm_after_pooling must be False unless pooling is 'average', got pooling='class'"),
        ({"patch_dropout": 1.0}, r"patch_dropout must lie in \[0, 1\), got 1.0"),
        ({"mean": [0.5]}, r"mean must have 3 values, got \[0.5\]"),
        ({"std": [0.5, 0.5, 0.0]}, r"std must have 3 values above 0, got \[0.5, 0.5, 0.0\]"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tower(**options)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="timm cannot build vit_tiny_patch16_224"):
        tower(heads=5)
