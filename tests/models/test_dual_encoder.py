"""The dual encoder: OpenCLIP's whole model as reference, projections, fit of the parts."""

from __future__ import annotations

import copy
import math
from typing import Any

import open_clip
import pytest
import torch
from tests.models.openclip_weights import copy_dual_encoder
from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.models import CaptionDecoder, Cosine, DualEncoder, ImageTower, LateInteraction, Lorentz, Similarity, TextTower
from concord.types import Tokens

VOCABULARY, CONTEXT = 50, 16


def dual_encoder(similarity: Similarity | None = None, **options: Any) -> DualEncoder:
    torch.manual_seed(0)
    image = ImageTower("vit_base_patch32_clip_224", image_size=32, patch_size=8, width=32, depth=2, heads=2)
    text = TextTower(VOCABULARY, CONTEXT, width=24, depth=2, heads=4)
    return DualEncoder(image, text, Cosine() if similarity is None else similarity, embed_dim=16, **options).eval()


def batch() -> tuple[Tensor, Tokens]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 3, 32, 32), generator=generator, dtype=torch.uint8)
    ids = torch.randint(1, VOCABULARY - 1, (3, 8), generator=generator)
    ids[torch.arange(3), torch.tensor([4, 7, 2])] = VOCABULARY - 1
    return pixels, Tokens(ids, torch.arange(8) <= torch.tensor([[4], [7], [2]]))


def test_embeddings_and_logits_equal_open_clips() -> None:
    torch.manual_seed(1)
    reference = open_clip.CLIP(
        embed_dim=16,
        vision_cfg={"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
        text_cfg={"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 24, "heads": 4, "layers": 2},
    ).eval()
    ours = dual_encoder()
    copy_dual_encoder(reference, ours)
    pixels, tokens = batch()
    images, texts = ours.embed_image(ours.image(pixels)), ours.embed_text(ours.text(tokens))
    full = nn.functional.pad(tokens.ids * tokens.mask, (0, CONTEXT - 8))
    normalized = ours.image.normalize(pixels)
    assert torch.allclose(images.vectors, reference.encode_image(normalized, normalize=True), atol=1e-4)
    assert torch.allclose(texts.vectors, reference.encode_text(full, normalize=True), atol=1e-4)
    logits = ours.similarity.scale * ours.similarity.image_to_text(images, texts)
    assert torch.allclose(logits, reference.get_logits(normalized, full)[0], atol=1e-3)


def test_projections_start_by_width() -> None:
    linear = DualEncoder(dual_encoder().image, dual_encoder().text, Cosine(), embed_dim=2000)
    assert isinstance(linear.image_projection, nn.Linear)
    assert linear.image_projection.bias is None
    assert math.isclose(float(linear.image_projection.weight.detach().std()), 32**-0.5, rel_tol=0.05)


def test_mlp_projection_has_one_hidden_relu_layer() -> None:
    model = dual_encoder(projection="mlp")
    first, activation, second = model.text_projection
    assert (first.in_features, first.out_features, second.out_features) == (24, 16, 16)
    assert isinstance(activation, nn.ReLU)
    assert first.bias is not None


def test_towers_may_be_projected_in_different_ways() -> None:
    model = dual_encoder(projection="gelu_mlp", text_projection="affine")
    first, activation, second = model.image_projection
    assert (first.out_features, second.in_features, second.out_features, second.bias) == (32, 32, 16, None)
    assert isinstance(activation, nn.GELU)
    assert model.text_projection.bias is not None
    with pytest.raises(IncompatibleError, match="the towers must have the width embed_dim=16, got 24"):
        dual_encoder(text_projection="none")
    first, activation, second = dual_encoder(text_projection="hf_mlp").text_projection
    assert (first.in_features, first.out_features, second.out_features, first.bias, second.bias) == (24, 20, 16, None, None)
    assert isinstance(activation, nn.GELU)
    unprojected = DualEncoder(dual_encoder().image, dual_encoder().text, Cosine(), embed_dim=24, text_projection="none")
    assert isinstance(unprojected.text_projection, nn.Identity)


@pytest.mark.parametrize("similarity", [Cosine(), LateInteraction(), Lorentz(embed_dim=16)], ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_every_similarity_trains_both_towers(similarity: Similarity, projection: str) -> None:
    model = dual_encoder(copy.deepcopy(similarity), projection=projection)
    pixels, tokens = batch()
    images, texts = model.embed_image(model.image(pixels)), model.embed_text(model.text(tokens))
    assert images.vectors.shape == texts.vectors.shape == (3, 16)
    assert (images.tokens is not None) == similarity.needs_tokens
    scores = model.similarity.image_to_text(images, texts) + model.similarity.text_to_image(texts, images).T
    (model.similarity.scale * scores.diagonal()).sum().backward()
    for name in ("image", "text", "image_projection", "text_projection"):
        gradients = [parameter.grad for parameter in getattr(model, name).parameters() if parameter.grad is not None]
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_late_interaction_ignores_padding_of_texts() -> None:
    model = dual_encoder(LateInteraction())
    pixels, tokens = batch()
    images, texts = model.embed_image(model.image(pixels)), model.embed_text(model.text(tokens))
    longer = Tokens(nn.functional.pad(tokens.ids, (0, 8)), nn.functional.pad(tokens.mask, (0, 8)))
    padded = model.embed_text(model.text(longer))
    assert torch.allclose(model.similarity.image_to_text(images, padded), model.similarity.image_to_text(images, texts), atol=1e-5)
    assert torch.allclose(model.similarity.text_to_image(padded, images), model.similarity.text_to_image(texts, images), atol=1e-5)


def captioner() -> DualEncoder:
    torch.manual_seed(0)
    image = ImageTower(
        "vit_tiny_patch16_224", pooling="cascade", image_size=32, patch_size=8, width=32, depth=1, heads=2, pool_heads=2, caption_queries=5
    )
    text = TextTower(VOCABULARY, CONTEXT, width=24, depth=1, heads=4, pooling="class")
    decoder = CaptionDecoder(VOCABULARY, width=24, image_width=32, depth=1, heads=4)
    return DualEncoder(image, text, Cosine(), embed_dim=16, decoder=decoder).eval()


def test_captions_come_from_image_and_text() -> None:
    model = captioner()
    pixels, tokens = batch()
    image, text = model.image(pixels), model.text(tokens)
    scores = model.caption_logits(image, text, tokens)
    assert scores.shape == (3, 8, VOCABULARY)
    other = model.caption_logits(model.image(pixels.flip(0)), text, tokens)
    assert not torch.allclose(scores[0], other[0], atol=1e-6)


def test_the_unimodal_text_does_not_see_the_image() -> None:
    model = captioner()
    texts = model.embed_text(model.text(batch()[1])).vectors
    (gradient,) = torch.autograd.grad(texts.sum(), [model.image.trunk.patch_embed.proj.weight], allow_unused=True)
    assert gradient is None


def test_captions_without_a_decoder_are_refused() -> None:
    model = dual_encoder()
    pixels, tokens = batch()
    with pytest.raises(IncompatibleError, match="the model has no caption decoder"):
        model.caption_logits(model.image(pixels), model.text(tokens), tokens)


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (CaptionDecoder(VOCABULARY, 32, 32, 1, 4), "decoder.width is 32 and text.width is 24"),
        (CaptionDecoder(VOCABULARY, 24, 24, 1, 4), "decoder.image_width is 24 and image.width is 32"),
        (CaptionDecoder(60, 24, 32, 1, 4), "decoder.vocab_size is 60 and text.vocab_size is 50"),
    ],
)
def test_parts_that_do_not_fit_are_refused(decoder: CaptionDecoder, message: str) -> None:
    with pytest.raises(IncompatibleError, match=message):
        dual_encoder(decoder=decoder)


def test_lorentz_of_another_width_is_refused() -> None:
    with pytest.raises(IncompatibleError, match=r"similarity\.embed_dim is 8 and embed_dim is 16"):
        dual_encoder(Lorentz(embed_dim=8))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="embed_dim must be at least 1, got 0"):
        DualEncoder(dual_encoder().image, dual_encoder().text, Cosine(), embed_dim=0)
    with pytest.raises(ValueError, match="projection must be one of linear, affine, mlp, gelu_mlp, hf_mlp, none, got 'cubic'"):
        dual_encoder(projection="cubic")


def test_parameters_are_counted_by_part() -> None:
    model = captioner()
    counts = model.describe()
    assert set(counts) == {"image", "text", "similarity", "image_projection", "text_projection", "decoder"}
    assert counts["image_projection"] == 32 * 16
    assert counts["similarity"] == 1
    assert sum(counts.values()) == sum(parameter.numel() for parameter in model.parameters())


def test_a_copy_and_a_state_dict_carry_everything() -> None:
    model, fresh = dual_encoder(), dual_encoder()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    fresh.load_state_dict(model.state_dict())
    pixels, tokens = batch()
    for other in (fresh, copy.deepcopy(model)):
        assert torch.equal(other.embed_image(other.image(pixels)).vectors, model.embed_image(model.image(pixels)).vectors)
        assert torch.equal(other.embed_text(other.text(tokens)).vectors, model.embed_text(model.text(tokens)).vectors)
