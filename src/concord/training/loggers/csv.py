"""`metrics.csv`: one row per log event, readable by anything."""

from __future__ import annotations

import csv
import io
import os
import warnings
from pathlib import Path

import numpy as np

from concord.files import write_atomically
from concord.training.loggers.base import RunLogger


class CSVLogger(RunLogger):
    """Appends to `metrics.csv` in the run folder; a new metric adds a column.

    A resumed run repeats the steps after its checkpoint. Their rows from before the interruption are dropped when the first
    new row is written, and so is a row that was cut off in writing: the file is that of a run that was never stopped.

    Where the disk is full, that is warned of once, and rows wait in memory until there is room.
    """

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[str] | None = None
        self._waiting: list[dict[str, str]] = []
        self._warned = False

    @property
    def path(self) -> Path:
        return self.folder / "metrics.csv"

    def _write(self, metrics: dict[str, float], step: int) -> None:
        self._waiting.append({"step": str(step)} | {name: shortest(value) for name, value in metrics.items() if name != "step"})
        self._write_waiting()

    def _close(self, status: str) -> None:
        if self._waiting:
            self._write_waiting()

    def _write_waiting(self) -> None:
        try:
            if self._columns is None or any(row.keys() - set(self._columns) for row in self._waiting):
                self._rewrite(is_first=self._columns is None)
            else:
                self._append(self._columns)
        except OSError as error:
            if not self._warned:
                warnings.warn(f"{self.path} cannot be written ({error.strerror or error}); its rows wait until it can", stacklevel=2)
            self._warned = True
        else:
            self._waiting = []

    def _append(self, columns: list[str]) -> None:
        size = self.path.stat().st_size
        try:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, columns).writerows(self._waiting)
        except OSError:
            os.truncate(self.path, size)  # there may be half a row
            raise

    def _rewrite(self, is_first: bool) -> None:
        earlier = read_rows(self.path)
        if is_first:
            earlier = [row for row in earlier if int(row["step"]) < int(self._waiting[0]["step"])]
        rows = [*earlier, *self._waiting]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, lambda file: file.write(text.getvalue().encode()))
        self._columns = columns


def shortest(value: float) -> str:
    """The fewest digits that tell the value: most metrics are fp32, where 0.0005 would otherwise be 0.0005000000237487257."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single) if float(single) == value else repr(value)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a `metrics.csv` without their empty cells; none where there is no file. A row without line end is left out."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        text = file.read()
    whole = text[: text.rfind("\n") + 1]
    return [{name: value for name, value in row.items() if value} for row in csv.DictReader(io.StringIO(whole, newline=""))]
