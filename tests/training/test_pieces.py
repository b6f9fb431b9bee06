"""How a step is computed changes neither the loss nor what is learned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from concord.config import build
from concord.errors import IncompatibleError
from concord.tasks.assemble import assemble, check_config
from concord.training import Compute, seed_everything
from tests.composing import SMALL, compose_config


def trained(cfg: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    """The weights that a short run ends with."""
    check_config(cfg)
    seed_everything(0)
    parts = assemble(cfg, None)
    trainer = build(cfg["trainer"], "trainer", callbacks=[], logger=[], folder=str(folder))
    trainer.fit(parts.method, datamodule=parts.data)
    return parts.method.state_dict()


def test_a_run_in_pieces_learns_the_same(tmp_path: Path) -> None:
    overrides = ("method=mae_clip", "+objective@method.objectives.simclr=simclr", *SMALL, "trainer.gradient_clip=1.0", "optimizer.eps=1e-3")
    whole, pieces = (trained(compose_config(*overrides, f"compute.micro_batch={size}"), tmp_path) for size in ("null", 3))
    assert whole.keys() == pieces.keys()
    for name, expected in whole.items():
        torch.testing.assert_close(pieces[name], expected, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


def test_range() -> None:
    assert Compute().micro_batch is None
    with pytest.raises(ValueError, match="micro_batch must be at least 1 or null, got 0"):
        Compute(micro_batch=0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model=resnet_50", "compute.micro_batch=4"), "compute.micro_batch: model.image.trunk.bn1 is a batch normalisation"),
        (("compute.micro_batch=0",), "compute: micro_batch must be at least 1 or null, got 0"),
        (
            ("trainer.accumulate=4", "data.batch_size=64"),
            "use trainer.accumulate=1 data.batch_size=256 compute.micro_batch=N, which runs N pairs per process",
        ),
    ],
)
def test_refused_before_any_data_is_read(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(Exception, match=re.escape(message)):
        check_config(compose_config(*overrides))


def test_a_locked_tower_may_have_batch_normalisation() -> None:
    check_config(compose_config("method=lit", "model=resnet_50", "compute.micro_batch=4"))


def test_terms_that_look_at_one_example_may_still_accumulate() -> None:
    alone = ("+objective@method.objectives.mae=mae", "~method.objectives.clip")
    check_config(compose_config(*alone, "trainer.accumulate=4", "compute.micro_batch=8"))
    with pytest.raises(IncompatibleError, match="would hide the negatives"):
        check_config(compose_config("trainer.accumulate=4", "compute.micro_batch=8"))
