"""Captioning on a small CoCa: against OpenCLIP's loss, closed forms, two processes, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from open_clip.loss import CoCaLoss

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.objectives import Captioning, Step
from tests.objectives.parts import VOCABULARY, set_up, small_batch, small_model


def test_equals_open_clip_on_the_same_logits() -> None:
    model, batch = small_model(decoder=True), small_batch()
    text = batch.texts["caption"]
    text.ids[text.ids == 0] = 1  # OpenCLIP tells padding by its id
    text.ids[~text.mask] = 0
    step = Step(model, batch, Ranks())
    terms = set_up(Captioning(), model)(step)
    logits = model.caption_logits(step.image("image"), step.text("caption"), text)
    features = torch.nn.functional.normalize(torch.randn(4, 8), dim=-1)
    _, expected = CoCaLoss(caption_loss_weight=1.0, clip_loss_weight=0.0, pad_id=0)(
        features, features, logits[:, :-1], text.ids[:, 1:], 1.0
    )
    assert terms.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    parameters = [p for p in model.parameters() if p.requires_grad]
    ours = torch.autograd.grad(terms.loss, parameters, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(expected, parameters, allow_unused=True)
    assert any(gradient is not None for gradient in ours)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            assert torch.allclose(mine, other, atol=1e-6)


def test_a_decoder_that_knows_nothing_costs_ln_v() -> None:
    model = small_model(decoder=True)
    assert model.decoder is not None
    torch.nn.init.zeros_(model.decoder.output.weight)
    terms = set_up(Captioning(), model)(Step(model, small_batch(), Ranks()))
    assert terms.loss.item() == pytest.approx(math.log(VOCABULARY), rel=1e-6)


def test_what_stands_at_padding_changes_nothing() -> None:
    model, batch, other = small_model(decoder=True), small_batch(), small_batch()
    text = other.texts["caption"]
    text.ids[~text.mask] = (text.ids[~text.mask] + 1) % VOCABULARY
    losses = [set_up(Captioning(), model)(Step(model, each, Ranks())).loss.item() for each in (batch, other)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-7)


def test_bf16_stays_finite() -> None:
    model = small_model(decoder=True)
    with torch.autocast("cpu", torch.bfloat16):
        terms = set_up(Captioning(), model)(Step(model, small_batch(), Ranks()))
    terms.loss.backward()
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_accuracy_is_a_share_of_the_targets() -> None:
    model = small_model(decoder=True)
    step = Step(model, small_batch(), Ranks())
    text = step.tokens("caption")
    terms = set_up(Captioning(), model)(step)
    best = model.caption_logits(step.image("image"), step.text("caption"), text).argmax(dim=-1)
    hits = [best[b, t] == text.ids[b, t + 1] for b in range(4) for t in range(7) if text.mask[b, t + 1]]
    assert terms.logs["accuracy"].item() == pytest.approx(sum(map(int, hits)) / len(hits))


def test_refuses_a_model_without_a_decoder() -> None:
    with pytest.raises(IncompatibleError, match="captioning needs a model with a caption decoder; use method=coca"):
        Captioning().check(small_model())


def test_refuses_a_text_tower_that_sees_the_next_token() -> None:
    with pytest.raises(IncompatibleError, match="captioning needs a causal text tower"):
        Captioning().check(small_model(decoder=True, text_pooling="mean"))


def test_weight_and_views() -> None:
    objective = Captioning()
    assert objective.weight == 2.0
    assert set(objective.image_views) == {"image"}
    assert set(objective.text_views) == {"caption"}
    with pytest.raises(ValueError, match="weight must be at least 0, got -1"):
        Captioning(weight=-1)
