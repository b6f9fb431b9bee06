from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from concord.tasks import run
from concord.training import Alarms
from tests.composing import SMALL, compose_config
from tests.training.tiny import TinyModule, tiny_run


class Telling(TinyModule):
    """Logs values that a method would log."""

    def __init__(self, values: dict[str, list[float]], learns: bool = True) -> None:
        super().__init__()
        self.values = values
        scale = nn.Parameter(torch.zeros(()), requires_grad=learns)
        self.model: Any = SimpleNamespace(similarity=SimpleNamespace(max_scale=100.0, logit_scale=scale))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.log_dict({name: values[self.global_step % len(values)] for name, values in self.values.items()})
        return super().training_step(batch, batch_idx)


def told(folder: Path, module: L.LightningModule, steps: int = 8, **settings: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tiny_run(folder, steps, [Alarms(lasting=2, **settings)], module=module, log_every=1)  # type: ignore[arg-type]
    return [str(warning.message) for warning in caught]


def test_a_collapse_must_last_and_is_told_once(tmp_path: Path) -> None:
    passing = {"embedding_cosine/image": [0.999, 0.999, 0.5], "embedding_rank/caption": [1.2, 9.0]}
    assert told(tmp_path / "passing", Telling(passing)) == []
    lasting = {"embedding_cosine/image": [0.999], "embedding_rank/caption": [1.2], "embedding_rank/image": [7.0]}
    first, second = told(tmp_path / "lasting", Telling(lasting))
    assert first.startswith("step 3: the mean cosine between embeddings of image is 0.999: they have collapsed")
    assert second.startswith("step 3: the embeddings of caption vary in 1.20 directions: they have collapsed")


@pytest.mark.parametrize(("value", "word"), [(100.0, "upper bound 100"), (1.0, "lower bound 1"), (50.0, "")])
def test_the_scale_at_a_bound(tmp_path: Path, value: float, word: str) -> None:
    messages = told(tmp_path / "learned", Telling({"logit_scale": [value]}))
    assert len(messages) == (1 if word else 0)
    assert all(word in message for message in messages)
    assert told(tmp_path / "fixed", Telling({"logit_scale": [value]}, learns=False)) == []


def test_a_real_method_logs_how_alike_its_embeddings_are(tmp_path: Path) -> None:
    values = run(compose_config(*SMALL, "trainer.log_every=1"), tmp_path)
    assert -1 <= values["embedding_cosine/image"] <= 1
    assert 1 <= values["embedding_rank/image"] <= 7  # of eight examples
    assert 1 <= values["embedding_rank/caption"] <= 7


@pytest.mark.parametrize("settings", [{"cosine": 0.0}, {"rank": 0.5}, {"lasting": 0}])
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Alarms(**settings)
