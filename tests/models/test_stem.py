"""The convolutional stem: the shape of a patch embedding, and nothing seen of hidden patches."""

from __future__ import annotations

import pytest
import torch

from concord.errors import ConfigError
from concord.models import ImageTower
from concord.models.stem import ConvolutionStem, hide_patches


def tower(**options: object) -> ImageTower:
    small = {"image_size": 32, "patch_size": 8, "width": 32, "depth": 1, "heads": 2, "pooling": "average", "stem": "convolution"}
    return ImageTower("vit_tiny_patch16_224", **{**small, **options}).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("patch_size", "sides"), [(4, (32, 32)), (8, (32, 16)), (16, (32, 48))])
def test_one_place_is_one_patch(patch_size: int, sides: tuple[int, int]) -> None:
    stem = ConvolutionStem(32, patch_size, 3, 24, flatten=False, strict_img_size=False)
    assert stem(torch.randn(2, 3, *sides)).shape == (2, 24, sides[0] // patch_size, sides[1] // patch_size)


def test_other_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="patch_size must be a power of 2 and at least 4 for a convolutional stem, got 14"):
        ConvolutionStem(28, 14)
    with pytest.raises(ConfigError, match=r"image\.stem is not an option of timm's resnet10t"):
        ImageTower("resnet10t", stem="convolution", pooling="average")


def test_images_do_not_see_one_another() -> None:
    image = torch.randn(1, 3, 32, 32)
    alone, beside = tower(), torch.cat([image, torch.randn(3, 3, 32, 32)])
    assert torch.allclose(alone(image).pooled[0], alone(beside).pooled[0], atol=1e-5)


def test_hidden_patches_change_nothing() -> None:
    """Convolutions reach across the borders of patches; what is removed must not come back that way."""
    model, keep = tower(), torch.tensor([[0, 5, 15]])
    image = torch.randn(1, 3, 32, 32)
    visible = hide_patches(torch.ones_like(image), keep, 8)
    other = torch.where(visible > 0, image, torch.randn_like(image))
    assert not torch.equal(other, image)
    assert torch.equal(model(image, keep=keep).tokens, model(other, keep=keep).tokens)


def test_keeping_all_patches_is_the_whole_image() -> None:
    model, image = tower(), torch.randn(2, 3, 32, 32)
    keep = torch.arange(16).expand(2, -1)
    assert torch.allclose(model(image, keep=keep).tokens, model(image).tokens, atol=1e-6)


def test_local_crops_and_gradients() -> None:
    model = tower().train()
    features = model(torch.randint(0, 255, (2, 3, 16, 16), dtype=torch.uint8))
    assert features.tokens.shape == (2, 4, 32)
    features.pooled.sum().backward()
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in model.trunk.patch_embed.parameters())
