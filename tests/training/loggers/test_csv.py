from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from concord.training import CSVLogger
from concord.training.loggers.csv import read_rows, shortest


def opened(folder: Path) -> CSVLogger:
    logger = CSVLogger()
    logger.open(folder)
    return logger


def test_a_row_per_event_and_a_column_per_metric(tmp_path: Path) -> None:
    logger = opened(tmp_path)
    logger.log_metrics({"loss": 1 / 3, "epoch": 0}, step=9)
    logger.log_metrics({"loss": 0.25}, step=19)
    logger.log_metrics({"zero_shot/shapes/top1": 0.5}, step=19)
    logger.log_metrics({"loss": float("nan")}, step=29)
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "step,loss,zero_shot/shapes/top1",
        "10,0.3333333333333333,",
        "20,0.25,",
        "20,,0.5",
        "30,nan,",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(float(np.float32(5e-4)), "0.0005"), (1 / 3, "0.3333333333333333"), (1e300, "1e+300"), (float("-inf"), "-inf"), (3.0, "3.0")],
)
def test_values_are_written_with_the_fewest_digits_that_tell_them(value: float, text: str) -> None:
    assert shortest(value) == text


def test_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for step in (9, 19, 29):
        first.log_metrics({"loss": float(step)}, step)
    with first.path.open("a") as file:
        file.write("40,3")  # cut off in writing
    second = opened(tmp_path)
    second.log_metrics({"loss": -1.0}, 19)
    second.log_metrics({"loss": -2.0}, 29)
    assert [(row["step"], row["loss"]) for row in read_rows(tmp_path / "metrics.csv")] == [("10", "9.0"), ("20", "-1.0"), ("30", "-2.0")]


def test_on_a_full_disk_rows_wait_and_that_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = opened(tmp_path)
    logger.log_metrics({"loss": 1.0}, 0)
    writer = csv.DictWriter

    class HalfARow(csv.DictWriter):
        def writerows(self, rows: Any) -> None:
            writer.writerows(self, [*rows, {"step": "9", "loss": "1"}])
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(csv, "DictWriter", HalfARow)
        logger.log_metrics({"loss": 2.0}, 1)
        logger.log_metrics({"loss": 3.0, "more": 1.0}, 2)
    (warning,) = caught
    assert "metrics.csv cannot be written (No space left on device); its rows wait until it can" in str(warning.message)
    assert (tmp_path / "metrics.csv").read_text().splitlines() == ["step,loss", "1,1.0"]
    logger.log_metrics({"loss": 4.0}, 3)
    assert (tmp_path / "metrics.csv").read_text().splitlines() == ["step,loss,more", "1,1.0,", "2,2.0,", "3,3.0,1.0", "4,4.0,"]
    assert not logger.failed


def test_rows_that_wait_are_written_at_the_end(tmp_path: Path) -> None:
    logger = opened(tmp_path / "there is a file" / "in the way")
    (tmp_path / "there is a file").write_text("")
    with pytest.warns(UserWarning, match="cannot be written"):
        logger.log_metrics({"loss": 1.0}, 0)
    (tmp_path / "there is a file").unlink()
    logger.finalize("success")
    assert read_rows(logger.path) == [{"step": "1", "loss": "1.0"}]


def test_a_logger_without_a_folder_says_so() -> None:
    with pytest.raises(RuntimeError, match="open"):
        _ = CSVLogger().folder
