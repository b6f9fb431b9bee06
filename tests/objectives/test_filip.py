"""FILIP shares the model's late interaction, or brings its own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.distributed import Ranks
from concord.models.similarity import Cosine, LateInteraction
from concord.objectives import FILIP, InfoNCE, Step
from tests.tiny import tiny_batch, tiny_model


def test_shares_the_similarity_of_a_token_model() -> None:
    model, batch, objective = tiny_model(LateInteraction()).double(), tiny_batch(5), FILIP()
    objective.setup(model)
    assert list(objective.parameters()) == []
    assert objective(Step(model, batch, Ranks())).loss == InfoNCE()(Step(model, batch, Ranks())).loss


def best_matches(images: Tensor, texts: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of images over texts and of texts over images, one pair at a time."""
    image_rows, text_rows = images.new_zeros(len(images), len(texts)), images.new_zeros(len(texts), len(images))
    for i, patches in enumerate(images):
        for j, words in enumerate(texts):
            products = patches @ words[mask[j]].T
            image_rows[i, j] = products.max(dim=1).values.mean()
            text_rows[j, i] = products.max(dim=0).values.mean()
    return image_rows, text_rows


def test_brings_its_own_to_a_pooled_model() -> None:
    model, batch = tiny_model(Cosine()).double(), tiny_batch(5)
    objective = FILIP(token_width=4, init_scale=5.0)
    objective.setup(model)
    objective.double()
    terms = objective(Step(model, batch, Ranks()))
    caption = batch.texts["caption"]
    images = F.normalize(objective.image_projection(model.image(batch.images["image"]).tokens), dim=-1)
    texts = F.normalize(objective.text_projection(model.text(caption).tokens), dim=-1)
    image_rows, text_rows = best_matches(images, texts, caption.mask)
    assert objective.similarity is not None
    scale, targets = objective.similarity.logit_scale.exp(), torch.arange(5)
    oracle = (F.cross_entropy(scale * image_rows, targets) + F.cross_entropy(scale * text_rows, targets)) / 2
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    parameters = [*objective.parameters(), *model.image.parameters(), *model.text.parameters()]
    ours, theirs = torch.autograd.grad(terms.loss, parameters), torch.autograd.grad(oracle, parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert terms.logs["logit_scale"].item() == pytest.approx(5.0)


def test_its_own_scale_stays_in_range() -> None:
    model, objective = tiny_model(Cosine()), FILIP()
    objective.setup(model)
    assert objective.similarity is not None
    with torch.no_grad():
        objective.similarity.logit_scale.fill_(9.0)
    objective.after_step(model, progress=0.5)
    assert objective.similarity.logit_scale.exp().item() == pytest.approx(100.0)


@pytest.mark.parametrize("similarity", [Cosine(), LateInteraction(init_scale=100.0)])
def test_mixed_precision_stays_finite(similarity: Cosine | LateInteraction) -> None:
    model, objective = tiny_model(similarity), FILIP(token_width=4, init_scale=100.0)
    objective.setup(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(Step(model, tiny_batch(6), Ranks())).loss
    loss.backward()
    parameters = [*model.image.parameters(), *model.text.parameters()]
    assert loss.isfinite()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in parameters)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"token_width": 0}, "token_width"), ({"init_scale": 200.0}, r"init_scale must lie in \[1, 100\]")]
)
def test_refuses_bad_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FILIP(**arguments)
