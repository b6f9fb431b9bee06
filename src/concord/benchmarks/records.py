"""Results: one tidy record per number, and examples to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from concord.benchmarks.gallery import GalleryItem, write_gallery


@dataclass(frozen=True)
class Record:
    """One measured number.

    Attributes:
        task: "zero_shot", "retrieval", "compositional", "diagnostics".
        dataset: name of the reader.
        metric: what was measured. Accuracies and recalls are fractions in [0, 1].
        value: the measurement; nan where the model gave no finite numbers.
        chance: what guessing would give, exactly; None where that has no meaning (diagnostics).
        low, high: 95% bootstrap interval; None where none was computed.
        n: how many examples the value is a mean (or median) over.
        subset: the part or side that it belongs to ("image_to_text", "swap_attributes"), or "".
        seed: of the subset and the bootstrap.
    """

    task: str
    dataset: str
    metric: str
    value: float
    chance: float | None
    low: float | None
    high: float | None
    n: int
    subset: str = ""
    seed: int = 0

    @property
    def name(self) -> str:
        """The flat name, such as `retrieval/shapes/image_to_text/r1`."""
        return "/".join(part for part in (self.task, self.dataset, self.subset, self.metric) if part)


@dataclass(frozen=True)
class Results:
    """What a bench, or one of its tasks, found."""

    records: list[Record] = field(default_factory=list)
    gallery: list[GalleryItem] = field(default_factory=list)

    def values(self) -> dict[str, float]:
        """Value by flat name, the form that loggers and `metrics.json` take."""
        return {record.name: record.value for record in self.records}

    def write(self, folder: Path) -> None:
        """Leave `records.json` and `gallery/` in a run folder; earlier ones are replaced."""
        write_records(self.records, folder / "records.json")
        write_gallery(self.gallery, folder / "gallery")


def merge(parts: Sequence[Results]) -> Results:
    """The results of several tasks, in order."""
    return Results([record for part in parts for record in part.records], [item for part in parts for item in part.gallery])


def write_records(records: Sequence[Record], path: Path) -> None:
    """As a JSON list of objects; nan becomes null, so that any reader of JSON can read it."""
    rows = [{**asdict(record), "value": None if math.isnan(record.value) else record.value} for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(rows, indent=1, allow_nan=False), encoding="utf-8")
    partial.replace(path)


def read_records(path: Path) -> list[Record]:
    """What `write_records` wrote."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Record(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in rows]
