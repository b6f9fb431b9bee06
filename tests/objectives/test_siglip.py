"""The pairwise sigmoid as an objective."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.models.similarity import Cosine, LateInteraction, Lorentz, Similarity, TextConditioned
from concord.objectives import PairwiseSigmoid, Step
from tests.tiny import EMBED_DIM, tiny_batch, tiny_model


@pytest.mark.parametrize(
    "similarity",
    [
        Cosine(10.0, init_bias=-10.0),
        LateInteraction(10.0, init_bias=-5.0),
        Lorentz(EMBED_DIM, init_bias=1.0),
        TextConditioned(EMBED_DIM, mixtures=3, heads=1, init_scale=10.0, init_bias=-2.0),
    ],
)
def test_value_and_gradient_match_the_definition(similarity: Similarity) -> None:
    model, batch = tiny_model(similarity).double(), tiny_batch(6)
    terms = PairwiseSigmoid()(Step(model, batch, Ranks()))
    images, texts = model.embed_image(model.image(batch.images["image"])), model.embed_text(model.text(batch.texts["caption"]))
    logits = similarity.logit_scale.exp() * similarity.image_to_text(images, texts) + similarity.logit_bias
    labels = 2 * torch.eye(6, dtype=torch.float64) - 1
    oracle = F.softplus(-labels * logits, threshold=100).sum() / 6
    parameters = [parameter for name, parameter in model.named_parameters() if name != "similarity.log_curvature"]
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    ours, theirs = (torch.autograd.grad(loss, parameters, allow_unused=True) for loss in (terms.loss, oracle))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert terms.logs["logit_bias"] == similarity.logit_bias


@pytest.mark.parametrize("tile", [1, 4, 100])
def test_tiles_change_nothing(tile: int) -> None:
    model, batch = tiny_model(Cosine(10.0, init_bias=-10.0)).double(), tiny_batch(6)
    plain, tiled = (PairwiseSigmoid(tile=t)(Step(model, batch, Ranks())).loss for t in (None, tile))
    parameters = list(model.parameters())
    torch.testing.assert_close(tiled, plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.autograd.grad(tiled, parameters), torch.autograd.grad(plain, parameters), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tile", [None, 4])
def test_mixed_precision_at_scale_100(tile: int | None) -> None:
    model, batch = tiny_model(Cosine(100.0, init_bias=-10.0)), tiny_batch(6)
    exact = PairwiseSigmoid(tile=tile)(Step(model, batch, Ranks())).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = PairwiseSigmoid(tile=tile)(Step(model, batch, Ranks())).loss
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, list(model.parameters())))


def test_refuses_a_model_without_bias() -> None:
    with pytest.raises(IncompatibleError, match=r"need a logit bias; set model.similarity.init_bias=-10"):
        PairwiseSigmoid().check(tiny_model(Cosine()))


def test_refuses_tiles_without_an_inner_product() -> None:
    with pytest.raises(IncompatibleError, match="tile=8 needs"):
        PairwiseSigmoid(tile=8).check(tiny_model(LateInteraction(init_bias=-10.0)))
    with pytest.raises(ValueError, match="tile must be at least 1 or null, got 0"):
        PairwiseSigmoid(tile=0)
