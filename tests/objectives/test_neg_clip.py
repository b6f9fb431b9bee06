"""NegCLIP: swapped captions are candidates for images, and only for them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from concord.distributed import Ranks
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Cosine, LateInteraction, Similarity
from concord.objectives import InfoNCE, NegCLIP, Step, Terms
from concord.types import Batch
from tests.tiny import tiny_batch, tiny_model


def run(model: DualEncoder, batch: Batch) -> Terms:
    return NegCLIP()(Step(model, batch, Ranks()))


def with_valid(batch: Batch, valid: list[bool]) -> Batch:
    return replace(batch, valid={"negatives": torch.tensor(valid)})


@pytest.mark.parametrize("similarity", [Cosine(), LateInteraction()])
def test_value_and_gradient_match_the_definition(similarity: Similarity) -> None:
    model, batch = tiny_model(similarity).double(), tiny_batch(6)
    terms = run(model, batch)
    images = model.embed_image(model.image(batch.images["image"]))
    texts, negatives = (model.embed_text(model.text(batch.texts[view])) for view in ("caption", "negatives"))
    scale, valid = similarity.logit_scale.exp(), batch.valid["negatives"]
    right, wrong = scale * similarity.image_to_text(images, texts), scale * similarity.image_to_text(images, negatives)
    image_rows = torch.cat([right, wrong[:, valid]], dim=1)
    text_rows = scale * similarity.text_to_image(texts, images)
    oracle = ((image_rows.logsumexp(1) + text_rows.logsumexp(1) - right.diagonal() - text_rows.diagonal()) / 2).mean()
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    parameters = list(model.parameters())
    ours, theirs = torch.autograd.grad(terms.loss, parameters), torch.autograd.grad(oracle, parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    wins = (right.diagonal() > wrong.diagonal())[valid].double().mean()
    assert terms.logs["negative_accuracy"].item() == pytest.approx(wins.item())


def test_without_any_negative_it_is_clip() -> None:
    model, batch = tiny_model(Cosine()).double(), with_valid(tiny_batch(4), [False] * 4)
    terms, plain = run(model, batch), InfoNCE()(Step(model, batch, Ranks()))
    torch.testing.assert_close(terms.loss, plain.loss)
    assert terms.logs["image_to_text_accuracy"] == plain.logs["image_to_text_accuracy"]
    assert terms.logs["negative_accuracy"] == 0


def test_collapse() -> None:
    model = tiny_model(Cosine()).double()
    with torch.no_grad():
        for parameter in (*model.image.parameters(), *model.text.parameters()):
            parameter.fill_(1.0)
        model.image.embed.weight.zero_()
    loss = run(model, with_valid(tiny_batch(5), [True] * 5)).loss
    assert loss.item() == pytest.approx((math.log(10) + math.log(5)) / 2, rel=1e-9)


def test_a_stand_in_of_a_missing_negative_has_no_influence() -> None:
    model, batch = tiny_model(Cosine()).double(), tiny_batch(6)
    other = batch.texts["negatives"].ids.clone()
    other[0] = 1 + torch.arange(other.shape[1])  # pair 0 has none
    changed = replace(batch, texts={**batch.texts, "negatives": replace(batch.texts["negatives"], ids=other)})
    assert run(model, changed).loss == run(model, batch).loss


def test_mixed_precision_stays_finite() -> None:
    model = tiny_model(Cosine(100.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = run(model, tiny_batch(6)).loss
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, list(model.parameters())))
