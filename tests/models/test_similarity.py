"""The similarities against closed forms, slow references, and each other."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.models import Cosine, LateInteraction, Lorentz, Similarity, TextConditioned
from concord.types import Embeddings

KINDS: list[type[Similarity]] = [Cosine, LateInteraction, Lorentz, TextConditioned]


def build(kind: type[Similarity], **options: Any) -> Similarity:
    sizes: dict[type[Similarity], dict[str, int]] = {
        Lorentz: {"embed_dim": 6},
        TextConditioned: {"embed_dim": 6, "mixtures": 2, "heads": 3},
    }
    return kind(**sizes.get(kind, {}), **options)


def projected(rows: int, tokens: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors [rows, 6], tokens [rows, tokens, 6] and a mask of unequal lengths."""
    generator = torch.Generator().manual_seed(seed)
    lengths = 1 + torch.arange(rows) % tokens
    vectors = torch.randn(rows, 6, generator=generator)
    return vectors, torch.randn(rows, tokens, 6, generator=generator), torch.arange(tokens) < lengths[:, None]


@pytest.mark.parametrize("kind", KINDS)
def test_scale_starts_where_it_should_and_stays_in_range(kind: type[Similarity]) -> None:
    similarity = build(kind)
    assert math.isclose(float(similarity.scale.detach()), 1 / 0.07, rel_tol=1e-6)
    assert similarity.logit_scale.ndim == 0
    assert similarity.logit_bias is None
    for moved, expected in ((9.0, 100.0), (-1.0, 1.0)):
        with torch.no_grad():
            similarity.logit_scale.fill_(moved)
        similarity.clamp_()
        assert math.isclose(float(similarity.scale.detach()), expected, rel_tol=1e-6)


def test_scale_is_bounded_before_the_clamp() -> None:
    similarity = Cosine(max_scale=50.0)
    with torch.no_grad():
        similarity.logit_scale.fill_(9.0)
    assert float(similarity.scale.detach()) == 50.0


def test_bias_and_fixed_scale() -> None:
    sigmoid = Cosine(init_scale=10.0, init_bias=-10.0)
    assert sigmoid.logit_bias is not None
    assert float(sigmoid.logit_bias.detach()) == -10.0
    fixed = Cosine(init_scale=10.0, init_bias=-10.0, learn_scale=False)
    assert not any(parameter.requires_grad for parameter in fixed.parameters())
    assert set(fixed.state_dict()) == {"logit_scale", "logit_bias"}


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_directions(kind: type[Similarity]) -> None:
    similarity = build(kind)
    images, texts = similarity.lift_image(*projected(4, 3, 0)), similarity.lift_text(*projected(5, 2, 1))
    forward, backward = similarity.image_to_text(images, texts), similarity.text_to_image(texts, images)
    assert forward.shape == (4, 5)
    assert backward.shape == (5, 4)
    symmetric = torch.allclose(forward, backward.T, atol=1e-6)
    assert symmetric == similarity.symmetric == (kind is not LateInteraction)
    if similarity.dot_product:
        assert torch.allclose(forward, images.vectors @ texts.vectors.T)


def test_cosine_is_a_cosine() -> None:
    similarity = Cosine()
    vectors = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    images, texts = similarity.lift_image(vectors), similarity.lift_text(3 * vectors)
    assert torch.allclose(images.vectors.norm(dim=1), torch.ones(4))
    expected = F.cosine_similarity(vectors[:, None], vectors[None], dim=2)
    assert torch.allclose(similarity.image_to_text(images, texts), expected, atol=1e-6)


def test_late_interaction_gives_filips_worked_example() -> None:
    similarity = LateInteraction()
    image = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.8, 0.6]]])
    text = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True], [True, False]])
    images, texts = similarity.lift_image(image[:, 0], 2 * image), similarity.lift_text(text[:, 0], 5 * text, mask)
    assert torch.allclose(similarity.image_to_text(images, texts), torch.tensor([[0.9, 0.5], [0.98, 0.7]]), atol=1e-6)
    assert torch.allclose(similarity.text_to_image(texts, images).T, torch.tensor([[0.9, 1.0], [0.9, 0.8]]), atol=1e-6)


def test_late_interaction_of_single_tokens_is_a_cosine() -> None:
    vectors, others = torch.randn(4, 6), torch.randn(5, 6)
    late, cosine = LateInteraction(), Cosine()
    scores = late.image_to_text(late.lift_image(vectors, vectors[:, None]), late.lift_text(others, others[:, None]))
    assert torch.allclose(scores, cosine.image_to_text(cosine.lift_image(vectors), cosine.lift_text(others)), atol=1e-6)


def test_text_conditioned_needs_tokens_and_sizes_that_fit() -> None:
    with pytest.raises(ValueError, match="tokens must be given to a text-conditioned similarity, got None"):
        build(TextConditioned).lift_image(torch.randn(2, 6))
    with pytest.raises(ValueError, match="mixtures must be at least 1, got 0"):
        TextConditioned(6, mixtures=0, heads=2)
    with pytest.raises(ValueError, match="width must be a positive multiple of heads, got width=6, heads=4"):
        TextConditioned(6, heads=4)


def test_text_conditioned_images_have_a_vector_without_a_text() -> None:
    """Texts whose query is zero, as the norm makes of a constant vector, weigh all tokens evenly."""
    similarity = build(TextConditioned, init_scale=10.0)
    images = similarity.lift_image(*projected(4, 3, 0)[:2])
    texts = similarity.lift_text(torch.ones(1, 6))
    assert torch.allclose(similarity.image_to_text(images, texts), images.vectors @ texts.vectors.T, atol=1e-5)
    assert torch.allclose(images.vectors.norm(dim=1), torch.ones(4))


def test_late_interaction_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens must be given to a late interaction, got None"):
        LateInteraction().lift_image(torch.randn(2, 6))


def test_lorentz_is_the_textbook_distance() -> None:
    """acosh(-k <x, y>) / sqrt(k) in float64, for vectors scaled by exp(alpha) and lifted at the root."""
    similarity = Lorentz(embed_dim=6, init_curvature=2.0)
    vectors, others = projected(4, 1, 0)[0], projected(5, 1, 1)[0]
    images, texts = similarity.lift_image(vectors), similarity.lift_text(others)

    def lift(tangent: Tensor) -> Tensor:
        radius = math.sqrt(2) * tangent.norm(dim=1, keepdim=True)
        return radius.sinh() / radius * tangent

    x, y = (lift(part.double() / math.sqrt(6)) for part in (vectors, others))
    assert torch.allclose(images.vectors.double(), x, atol=1e-5)
    time = (0.5 + x.square().sum(dim=1)).sqrt()[:, None] * (0.5 + y.square().sum(dim=1)).sqrt()
    distance = torch.acosh(2 * (time - x @ y.T)) / math.sqrt(2)
    assert torch.allclose(similarity.image_to_text(images, texts).double(), -distance, atol=1e-5)


def test_lorentz_keeps_merus_ranges() -> None:
    similarity = Lorentz(embed_dim=512)
    assert math.isclose(float(similarity.image_alpha.detach()), math.log(0.044194), rel_tol=1e-5)
    assert float(similarity.curvature.detach()) == 1.0
    with torch.no_grad():
        for parameter in (similarity.image_alpha, similarity.text_alpha, similarity.log_curvature):
            parameter.fill_(5.0)
    similarity.clamp_()
    assert float(similarity.image_alpha.detach()) == float(similarity.text_alpha.detach()) == 0.0
    assert math.isclose(float(similarity.curvature.detach()), 10.0, rel_tol=1e-6)
    assert not Lorentz(embed_dim=4, learn_curvature=False).log_curvature.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_everything_learned_and_bf16_is_compared_in_full(kind: type[Similarity]) -> None:
    similarity = build(kind)
    vectors, tokens, mask = projected(4, 3, 0)
    with torch.autocast("cpu", torch.bfloat16):
        images = similarity.lift_image(vectors.bfloat16().requires_grad_(), tokens.bfloat16().requires_grad_(), mask)
        texts = similarity.lift_text(vectors.flip(0), tokens.flip(0), mask.flip(0))
        scores = similarity.image_to_text(images, texts)
    assert scores.dtype == images.vectors.dtype == torch.float32
    exact = similarity.image_to_text(similarity.lift_image(vectors, tokens, mask), texts)
    assert (scores - exact).abs().max() < 0.02
    (similarity.scale * scores).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in similarity.parameters())


def test_coincident_points_have_finite_gradients() -> None:
    similarity = Lorentz(embed_dim=6)
    vectors = torch.randn(3, 6, requires_grad=True)
    scores = similarity.image_to_text(similarity.lift_image(vectors), similarity.lift_text(vectors))
    scores.sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_in_parts_compare_like_the_whole(kind: type[Similarity]) -> None:
    similarity = build(kind)
    images, texts = similarity.lift_image(*projected(4, 3, 0)), similarity.lift_text(*projected(5, 2, 1))
    again = Embeddings.cat([texts[:2], texts[2:]])
    assert torch.allclose(similarity.image_to_text(images, again), similarity.image_to_text(images, texts), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Cosine, {"init_scale": 0.5}, r"init_scale must lie in \[1, max_scale = 100.0\], got 0.5"),
        (Cosine, {"init_scale": 101.0}, r"init_scale must lie in \[1, max_scale = 100.0\], got 101.0"),
        (Cosine, {"max_scale": 0.5}, "max_scale must be at least 1, got 0.5"),
        (Lorentz, {"init_curvature": 20.0}, r"init_curvature must lie in \[0.1, 10.0\], got 20.0"),
        (TextConditioned, {"temperature": 0.0}, "temperature must be above 0, got 0.0"),
    ],
)
def test_bad_settings_are_refused(kind: type[Similarity], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(kind, **options)
