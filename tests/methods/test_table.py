"""The whole method x objective table: every pair trains, or is refused with the reason and the way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.composing import SMALL, compose_config, options

from concord.config import build
from concord.errors import IncompatibleError
from concord.tasks.assemble import assemble, check_config
from concord.training import seed_everything

METHODS, OBJECTIVES = options("method"), options("objective")
# Heads as their papers have them would take most of the time here.
SMALL_HEADS: dict[str, dict[str, Any]] = {
    "MAE": {"width": 32, "depth": 1, "heads": 2},
    "SimCLR": {"hidden_width": 32, "out_width": 16},
    "SelfDistillation": {"hidden_width": 32, "bottleneck_width": 16, "prototypes": 32, "local_crops": 2},
}
WHY: dict[str, str] = {"siglip": "bias", "captioning": "decoder", "entailment": "Lorentz", "mae": "pooling"}
"""Objectives that not every model can carry, and the word that a refusal must hold."""


def shrink(cfg: dict[str, Any]) -> dict[str, Any]:
    """Make the heads of known objectives small."""
    for node in cfg["method"]["objectives"].values():
        node.update(SMALL_HEADS.get(node["_target_"].rpartition(".")[2], {}))
    return cfg


def train(cfg: dict[str, Any], folder: Path) -> list[float]:
    """The losses of a run."""
    check_config(cfg)
    seed_everything(0)
    parts = assemble(cfg, None)
    losses: list[float] = []
    step = parts.method.training_step

    def remembered(batch: Any, batch_idx: int) -> torch.Tensor:
        loss = step(batch, batch_idx)
        losses.append(float(loss.detach()))
        return loss

    parts.method.training_step = remembered  # type: ignore[method-assign]
    trainer = build(cfg["trainer"], "trainer", callbacks=[], logger=[], folder=str(folder))
    trainer.fit(parts.method, datamodule=parts.data)
    return losses


@pytest.mark.parametrize("method", METHODS)
def test_every_objective_on_every_method(method: str, tmp_path: Path) -> None:
    refused = []
    for name in OBJECTIVES:
        cfg = shrink(compose_config(f"method={method}", f"+objective@method.objectives.extra={name}", *SMALL))
        refusal, losses = "", []
        try:
            losses = train(cfg, tmp_path)
        except IncompatibleError as error:
            refusal = str(error)
            refused.append(name)
        if refusal:
            assert name in WHY, f"{method} + {name}: {refusal}"
            assert re.fullmatch(rf"method\.objectives\.extra: .*{WHY[name]}.*", refusal, re.IGNORECASE)
        else:
            assert len(losses) == 2
            assert all(torch.isfinite(torch.tensor(losses))), (name, losses)
    assert set(refused) <= set(WHY)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_of_every_method_falls(method: str, tmp_path: Path) -> None:
    cfg = shrink(compose_config(f"method={method}", *SMALL, "trainer.max_steps=24", "optimizer.lr=2e-3", "schedule=constant"))
    losses = train(cfg, tmp_path)
    assert sum(losses[-6:]) < sum(losses[:6])


def test_a_weight_scales_its_term_and_removal_removes_it(tmp_path: Path) -> None:
    both = train(shrink(compose_config("method=mae_clip", *SMALL, "trainer.max_steps=1")), tmp_path)[0]
    light = train(shrink(compose_config("method=mae_clip", *SMALL, "trainer.max_steps=1", "method.objectives.mae.weight=0")), tmp_path)[0]
    without = train(shrink(compose_config("method=mae_clip", *SMALL, "trainer.max_steps=1", "~method.objectives.mae")), tmp_path)[0]
    assert light == pytest.approx(without, abs=1e-6)
    assert both > without


def test_the_data_makes_exactly_the_views_that_objectives_ask_for() -> None:
    seen = {}
    for method in ("clip", "slip", "silc", "neg_clip", "convirt"):
        data = assemble(shrink(compose_config(f"method={method}", *SMALL)), None).data
        batch = next(iter(data.train_dataloader()))
        seen[method] = (set(batch.images), set(batch.texts))
    assert seen["clip"] == ({"image"}, {"caption"})
    assert seen["slip"] == ({"image", "augmented_a", "augmented_b"}, {"caption"})
    assert seen["silc"] == ({"image", "local"}, {"caption"})
    assert seen["neg_clip"] == ({"image"}, {"caption", "negatives"})
    assert seen["convirt"] == ({"image"}, {"sentence"})
