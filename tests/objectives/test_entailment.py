"""MERU's entailment cones as an objective."""

from __future__ import annotations

import pytest
import torch

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.models.similarity import Cosine, Lorentz
from concord.objectives import Entailment, Step
from tests.tiny import EMBED_DIM, tiny_batch, tiny_model


def test_value_and_gradient_match_the_definition() -> None:
    model, batch = tiny_model(Lorentz(EMBED_DIM, init_curvature=2.0)).double(), tiny_batch(6)
    terms = Entailment(min_radius=0.05)(Step(model, batch, Ranks()))
    image = model.embed_image(model.image(batch.images["image"])).vectors
    text = model.embed_text(model.text(batch.texts["caption"])).vectors
    k = model.similarity.log_curvature.exp()
    image_time, text_time = ((1 / k + points.square().sum(dim=1)).sqrt() for points in (image, text))
    product = k * ((text * image).sum(dim=1) - text_time * image_time)
    angle = torch.acos((image_time + text_time * product) / (text.norm(dim=1) * (product.square() - 1).sqrt()))
    aperture = torch.asin(2 * 0.05 / (k.sqrt() * text.norm(dim=1)))
    oracle = (angle - aperture).relu().mean()
    assert oracle > 0
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-8, atol=0)
    parameters = [p for name, p in model.named_parameters() if name.split(".")[-1] not in ("logit_scale",)]
    ours, theirs = torch.autograd.grad(terms.loss, parameters), torch.autograd.grad(oracle, parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    assert terms.logs["inside"].item() == pytest.approx((angle <= aperture).double().mean().item())


def test_looks_at_one_pair_at_a_time() -> None:
    model, batch = tiny_model(Lorentz(EMBED_DIM)), tiny_batch(1)
    assert not Entailment.needs_negatives
    assert Entailment()(Step(model, batch, Ranks())).loss.isfinite()


def test_mixed_precision_stays_finite() -> None:
    model = tiny_model(Lorentz(EMBED_DIM))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = Entailment()(Step(model, tiny_batch(6), Ranks())).loss
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_refuses_flat_space() -> None:
    with pytest.raises(IncompatibleError, match=r"need a model in hyperbolic space, and this one compares by Cosine; use method=meru"):
        Entailment().check(tiny_model(Cosine()))
    with pytest.raises(ValueError, match="min_radius must be above 0, got 0"):
        Entailment(min_radius=0)
