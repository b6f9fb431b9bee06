from __future__ import annotations

import io
import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import rich
import torch
from rich.console import Console

from concord.training import GradientNorm, LearningRate, Progress, Throughput
from concord.training.callbacks.progress import describe
from tests.training.tiny import tiny_run


def test_values_are_chosen_by_pattern_and_in_their_order() -> None:
    values = {
        "loss/b": torch.tensor(2.0),
        "loss": torch.tensor(0.123456),
        "weight/b": 1.0,
        "learning_rate": 5e-4,
        "loss/a": torch.tensor(1.0),
    }
    assert describe(values, ("loss", "loss/*", "learning_rate", "other")) == "loss 0.1235  loss/b 2  loss/a 1  learning_rate 0.0005"


def test_a_line_every_n_steps_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = itertools.count()  # one passes whenever the clock is looked at: at the start, and for each line
    clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes), strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr("concord.training.callbacks.progress.time", clock)
    callbacks = [Throughput(), GradientNorm(), LearningRate(), Progress(every_n_steps=4)]
    _, module = tiny_run(tmp_path, max_steps=10, callbacks=callbacks)
    lines = capsys.readouterr().out.splitlines()
    starts = ["step 4/10 (40%), 00:01:30 left", "step 8/10 (80%), 00:00:30 left", "step 10/10 (100%), 00:00:00 left"]
    assert [line.partition(": loss")[0] for line in lines] == starts
    assert f"loss {module.losses[3]:.4g}" in lines[0]
    for name in ("learning_rate", "gradient_norm", "samples_per_second", "data_wait"):
        assert name in lines[0]


def test_a_bar_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=screen, force_terminal=True, width=200))
    _, module = tiny_run(tmp_path, max_steps=6, callbacks=[Progress()])
    assert "6/6" in screen.getvalue()
    assert f"loss {module.losses[-1]:.4g}" in screen.getvalue()


def test_the_terminal_is_given_back_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=screen, force_terminal=True, width=200))
    progress = Progress()

    class Crash(Progress):
        def after_step(self, *_: object) -> None:
            raise KeyError("crash")

    with pytest.raises(KeyError):
        tiny_run(tmp_path, max_steps=6, callbacks=[progress, Crash()])
    assert progress._bar is None
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")  # the cursor is shown again


def test_wrong_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, got 0"):
        Progress(every_n_steps=0)
