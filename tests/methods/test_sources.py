"""Losses by source: against a recomputation by hand, on one process and on two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.processes import run_on_ranks
from tests.tiny import rows, tiny_batch, tiny_model

from concord.distributed import Ranks
from concord.methods.sources import SourceLosses
from concord.models.similarity import Cosine
from concord.objectives import InfoNCE, PairwiseSigmoid, Step, Terms

SOURCES = ["web", "web", "book", "web", "book", "book"]


def losses_by_source() -> dict[str, float]:
    """Of this rank's share of one global batch."""
    ranks = Ranks.current()
    model = tiny_model(Cosine(init_bias=-1.0)).double()
    share = len(SOURCES) // ranks.world
    start = ranks.offset(share)
    batch = rows(tiny_batch(len(SOURCES), seed=3), start, start + share)
    step = Step(model, batch, ranks)
    terms = {"clip": InfoNCE()(step), "tiled": InfoNCE(tile=2)(step), "siglip": PairwiseSigmoid()(step)}
    return SourceLosses()(terms, SOURCES[start : start + share], ranks)


@pytest.fixture(scope="module")
def alone() -> dict[str, float]:
    return losses_by_source()


def test_each_source_has_the_mean_over_its_pairs(alone: dict[str, float]) -> None:
    model = tiny_model(Cosine(init_bias=-1.0)).double()
    batch = tiny_batch(len(SOURCES), seed=3)
    model.requires_grad_(False)
    images, texts = model.embed_image(model.image(batch.images["image"])), model.embed_text(model.text(batch.texts["caption"]))
    logits = model.similarity.scale * images.vectors @ texts.vectors.T
    clip = -(F.log_softmax(logits, dim=1).diagonal() + F.log_softmax(logits, dim=0).diagonal()) / 2
    signs = 2 * torch.eye(len(SOURCES)) - 1
    siglip = F.softplus(-signs * (logits - 1.0)).sum(dim=1)
    expected = {}
    for source in ("book", "web"):
        chosen = [i for i, name in enumerate(SOURCES) if name == source]
        expected |= {f"{name}/{source}": float(clip[chosen].mean()) for name in ("clip", "tiled")}
        expected[f"siglip/{source}"] = float(siglip[chosen].mean())
    assert alone == pytest.approx(expected, rel=1e-9)
    assert expected["clip/book"] != pytest.approx(expected["clip/web"], rel=1e-3)


def test_two_processes_equal_one(alone: dict[str, float], tmp_path: Path) -> None:
    for found in run_on_ranks(losses_by_source, 2, tmp_path):  # the first rank holds two pairs of one source, the second one
        assert found == pytest.approx(alone, rel=1e-9)


def test_nothing_is_said_of_a_single_source_until_a_second_is_met() -> None:
    losses = SourceLosses()
    terms = {"clip": Terms.mean(torch.tensor([1.0, 3.0]))}
    assert losses(terms, ["web", "web"], Ranks()) == {}
    assert losses(terms, ["book", "book"], Ranks()) == {"clip/book": 2.0}  # a batch of one source of several
    assert losses(terms, ["web", "book"], Ranks()) == {"clip/book": 3.0, "clip/web": 1.0}


def test_pairs_count_by_their_weight_and_other_terms_are_left_out() -> None:
    terms = {
        "captioning": Terms(torch.tensor(2.0), examples=torch.tensor([1.0, 4.0, 7.0]), weights=torch.tensor([3, 1, 5])),
        "whole": Terms(torch.tensor(1.0)),
    }
    found = SourceLosses()(terms, ["web", "web", "book"], Ranks())
    assert found == pytest.approx({"captioning/web": (3 * 1 + 1 * 4) / 4, "captioning/book": 7.0})
