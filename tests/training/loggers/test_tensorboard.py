from __future__ import annotations

from pathlib import Path

from concord.training import TensorBoardLogger
from tests.training.tiny import tiny_run


def read(folder: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def test_values_are_at_their_steps_and_resumption_purges(tmp_path: Path) -> None:
    _, module = tiny_run(tmp_path, max_steps=6, logger=[TensorBoardLogger()])
    assert [step for step, _ in read(tmp_path)] == [2, 4, 6]
    assert abs(read(tmp_path)[0][1] - module.losses[1]) < 1e-6
    logger = TensorBoardLogger()
    logger.open(tmp_path)
    logger.log_hyperparams({"seed": 0})
    logger.log_metrics({"loss": 7.0}, 3)
    logger.finalize("success")
    assert read(tmp_path)[-1] == (4, 7.0)
    assert [step for step, _ in read(tmp_path)] == [2, 4]
