"""What an objective says of each pair adds up to its loss."""

from __future__ import annotations

import pytest
import torch

from concord.distributed import Ranks
from concord.models.similarity import Cosine, Lorentz
from concord.objectives import Captioning, Entailment, InfoNCE, NegCLIP, Objective, PairwiseSigmoid, Step, Terms
from tests.objectives.parts import FixedNoise, set_up, small_batch, small_distillation, small_model, small_simclr
from tests.objectives.test_ranks import CASES, PAIRS, Part, assemble
from tests.tiny import EMBED_DIM, tiny_batch

PLAIN: dict[str, Part] = {
    "clip": (Cosine, InfoNCE),
    "convirt tiled": (lambda: Cosine(10.0), lambda: InfoNCE(image_to_text_weight=0.75, text_view="sentence", tile=3)),
    "entailment": (lambda: Lorentz(EMBED_DIM), Entailment),
    "siglip": (lambda: Cosine(10.0, init_bias=-10.0), PairwiseSigmoid),
    "neg_clip": (Cosine, NegCLIP),
}
WITH_HEADS = {"captioning": Captioning, "mae": FixedNoise, "simclr": small_simclr, "self_distillation": small_distillation}


def check(terms: Terms, pairs: int) -> None:
    assert terms.examples is not None
    assert terms.examples.shape == (pairs,)
    assert not terms.examples.requires_grad
    weights = torch.ones(pairs, dtype=terms.loss.dtype) if terms.weights is None else terms.weights.to(terms.loss.dtype)
    torch.testing.assert_close((terms.examples * weights).sum() / weights.sum(), terms.loss.detach(), rtol=1e-5, atol=1e-8)
    assert terms.examples.std() > 1e-4


@pytest.mark.parametrize("case", PLAIN | CASES)
def test_the_mean_over_pairs_is_the_loss(case: str) -> None:
    model, objective = assemble((PLAIN | CASES)[case])
    check(objective(Step(model, tiny_batch(PAIRS, seed=1), Ranks())), PAIRS)


@pytest.mark.parametrize("name", WITH_HEADS)
def test_the_mean_over_pairs_is_the_loss_of_objectives_with_heads(name: str) -> None:
    model = small_model(decoder=name == "captioning")
    objective: Objective = set_up(WITH_HEADS[name](), model)
    check(objective(Step(model, small_batch(), Ranks())), 4)


def test_captions_count_by_their_tokens() -> None:
    model, batch = small_model(decoder=True), small_batch()
    terms = set_up(Captioning(), model)(Step(model, batch, Ranks()))
    assert terms.weights is not None
    assert terms.weights.tolist() == (batch.texts["caption"].mask.sum(dim=1) - 1).tolist()
