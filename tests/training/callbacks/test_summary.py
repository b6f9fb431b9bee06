from __future__ import annotations

import io
from pathlib import Path

import lightning as L
import pytest
import rich
import torch
from rich.console import Console
from torch import nn

from concord.training import AdamW, StartSummary, TimmOptimizer
from concord.training.callbacks.summary import parts_of, state_bytes
from tests.training.tiny import tiny_run


def test_what_is_said_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=screen, width=100))
    tiny_run(tmp_path, max_steps=2, callbacks=[StartSummary({"views": "image [weak], caption"})])
    text = screen.getvalue()
    assert ["net", "97", "97"] in [line.split() for line in text.splitlines()]
    lines = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1)
    assert lines["views"] == "image [weak], caption"
    assert lines["steps"] == "2"
    assert "0.00 GiB" in lines["memory"]
    assert str(tmp_path) in text
    tiny_run(tmp_path, max_steps=4, callbacks=[StartSummary({})], resume=True)
    assert "4, going on after 2" in screen.getvalue()


def test_parts_of_a_method_are_towers_and_heads() -> None:
    class Method(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.ModuleDict({"image": nn.Linear(1, 1), "text": nn.Linear(1, 1)})
            self.objectives = nn.ModuleDict({"simclr": nn.Linear(1, 1)})

    assert list(parts_of(Method())) == ["image", "text", "objectives.simclr"]


@pytest.mark.parametrize(("settings", "moments"), [(AdamW(), 2), (TimmOptimizer(name="lion"), 1), (TimmOptimizer(name="lamb"), 2)])
def test_state_bytes_are_those_of_a_real_step(settings: AdamW | TimmOptimizer, moments: int) -> None:
    net = nn.Sequential(nn.Linear(256, 256, bias=False), nn.Linear(256, 256, bias=False).requires_grad_(False))
    optimizer = settings.build(net)
    estimate = state_bytes(net, [optimizer])
    net(torch.ones(1, 256)).sum().backward()
    optimizer.step()
    state = sum(value.nbytes for values in optimizer.state.values() for value in values.values() if isinstance(value, torch.Tensor))
    kib = 256 * 256 * 4 / 1024
    assert estimate == (2 + 1 + moments) * kib * 1024
    assert state == pytest.approx(moments * kib * 1024, rel=1e-3)
