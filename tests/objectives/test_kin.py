"""Pairs that share their text or their study, as the contrastive objectives treat them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from concord.distributed import Ranks
from concord.models.similarity import Cosine, Similarity
from concord.objectives import FILIP, InfoNCE, Objective, PairwiseSigmoid, Step, Terms
from concord.types import Batch
from tests.tiny import tiny_batch, tiny_model

OBJECTIVES: dict[str, tuple[type[Objective], Similarity, dict[str, Any]]] = {
    "clip": (InfoNCE, Cosine(), {}),
    "clip tiled": (InfoNCE, Cosine(), {"tile": 2}),
    "filip": (FILIP, Cosine(), {}),
    "siglip": (PairwiseSigmoid, Cosine(10.0, init_bias=-10.0), {}),
    "siglip tiled": (PairwiseSigmoid, Cosine(10.0, init_bias=-10.0), {"tile": 2}),
}
TEXTS, STUDIES = torch.tensor([5, 5, 7, 8, 7]), torch.tensor([1, 2, 3, 3, 4])


def batch(texts: torch.Tensor = TEXTS, studies: torch.Tensor = STUDIES) -> Batch:
    made = tiny_batch(5)
    made.groups = {"caption": texts, "sentence": torch.arange(5), "study": studies}
    return made


def run(name: str, data: Batch, **settings: Any) -> Terms:
    kind, similarity, fixed = OBJECTIVES[name]
    model = tiny_model(similarity).double()
    objective = kind(**fixed, **settings)
    objective.setup(model)
    return objective.double()(Step(model, data, Ranks()))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_without_kin_nothing_changes(name: str) -> None:
    """Neither by default, where the batch need not even say what belongs together, nor where nothing does."""
    plain = tiny_batch(5)
    plain.groups = {}
    expected = run(name, plain)
    assert torch.equal(run(name, batch()).loss, expected.loss)
    alone = run(name, batch(torch.arange(5), torch.arange(5)), same_text="masked", same_study="positives")
    torch.testing.assert_close(alone.loss, expected.loss, rtol=1e-12, atol=0)
    assert "kin" not in expected.logs
    assert alone.logs["kin"] == 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_option_is_a_loss_of_its_own(name: str) -> None:
    options = [{}, {"same_text": "masked"}, {"same_text": "positives"}, {"same_study": "masked"}, {"same_study": "positives"}]
    losses = [run(name, batch(), **option).loss.item() for option in options]
    assert len(set(losses)) == len(losses)


@pytest.mark.parametrize("same", ["masked", "positives"])
def test_value_matches_the_definition(same: Any) -> None:
    terms = run("clip", batch(), same_text=same)
    model = tiny_model(Cosine()).double()
    images, texts = (
        model.embed_image(model.image(batch().images["image"])).vectors,
        model.embed_text(model.text(batch().texts["caption"])).vectors,
    )
    logits = model.similarity.scale * images @ texts.T
    kin = (TEXTS[:, None] == TEXTS) & ~torch.eye(5, dtype=torch.bool)
    if same == "masked":
        oracle = sum(F.cross_entropy(rows.masked_fill(kin, float("-inf")), torch.arange(5)) for rows in (logits, logits.T)) / 2
    else:
        target = (kin | torch.eye(5, dtype=torch.bool)).double()
        oracle = sum(F.cross_entropy(rows, target / target.sum(dim=1, keepdim=True)) for rows in (logits, logits.T)) / 2
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    assert terms.logs["kin"] == pytest.approx(4 / 5)  # all but the fourth share a text


def test_sigmoids_say_yes_to_positives_and_nothing_to_what_is_masked() -> None:
    model = tiny_model(Cosine(10.0, init_bias=-10.0)).double()
    images = model.embed_image(model.image(batch().images["image"])).vectors
    texts = model.embed_text(model.text(batch().texts["caption"])).vectors
    logits = model.similarity.scale * images @ texts.T + model.similarity.logit_bias
    text, study = TEXTS[:, None] == TEXTS, STUDIES[:, None] == STUDIES
    yes = torch.eye(5, dtype=torch.bool) | study
    asked = ~(text & ~yes)
    oracle = (F.softplus(torch.where(yes, -logits, logits), threshold=100) * asked).sum() / 5
    terms = run("siglip", batch(), same_text="masked", same_study="positives")
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    assert terms.logs["kin"] == 1


def test_texts_are_those_of_the_view_that_is_read() -> None:
    sentences = run("clip", batch(), same_text="positives", text_view="sentence")
    torch.testing.assert_close(sentences.loss, run("clip", batch(), text_view="sentence").loss, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [InfoNCE, FILIP, PairwiseSigmoid])
@pytest.mark.parametrize("argument", ["same_text", "same_study"])
def test_refuses_what_it_does_not_know(kind: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be one of negatives, masked, positives, got 'ignored'"):
        kind(**{argument: "ignored"})
