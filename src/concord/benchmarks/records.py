"""Results: one tidy record per number, what was answered example by example, and examples to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.figures import AGGREGATES
from concord.benchmarks.gallery import GalleryItem, write_gallery
from concord.benchmarks.tables import write_predictions, write_tables
from concord.files import write_json


@dataclass(frozen=True)
class Record:
    """One measured number.

    Attributes:
        task: "zero_shot", "retrieval", "compositional", "diagnostics", ...
        dataset: name of the reader.
        metric: what was measured. Accuracies and recalls are fractions in [0, 1].
        value: the measurement; nan where the model gave no finite numbers.
        chance: what guessing would give, exactly; None where that has no meaning (diagnostics).
        low, high: 95% bootstrap interval; None where none was computed.
        n: how many examples the value is a mean (or median) over.
        subset: the part or side that it belongs to ("image_to_text", "swap_attributes"), or "".
        seed: of the subset and the bootstrap.
        units: how many independent units (images, patients) the n examples come from; None where each is one.
        half: the value if a tie counted as the share of right answers among those that tie, instead of as a miss; None where
            ties cannot be.
        ties: how many of the n examples had a tie with the right answer.
        collapsed: what the same code finds for a model that says the same of everything; None where it was not run.
        blind: the best that can be had without the images; None where nothing blind was run.
        blind_by: what had it ("longer", "n-gram", ...).
        data: checksum of the examples, pictures included.
        protocol: short text that changes with the settings of the task; numbers with different ones do not compare.
        list_hash: short text that says which examples the data set holds, whatever its files look like; "" where it does not tell.
            Tests of one name whose lists were drawn differently differ in it (CheXpert 5x200).
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
    units: int | None = None
    half: float | None = None
    ties: int | None = None
    collapsed: float | None = None
    blind: float | None = None
    blind_by: str = ""
    data: str = ""
    protocol: str = ""
    list_hash: str = ""

    @property
    def name(self) -> str:
        """The flat name, such as `retrieval/shapes/image_to_text/r1`."""
        return "/".join(part for part in (self.task, self.dataset, self.subset, self.metric) if part)


@dataclass(frozen=True)
class Answers:
    """What a model got out of every example, for comparing two models on the same ones.

    Attributes:
        name: that of the record whose value is the mean of `values`.
        keys: [n] names of the examples.
        units: [n] numbers of the independent units that they belong to.
        values: [n] hits (1 or 0), or whatever the record is a mean of.
    """

    name: str
    keys: Sequence[str]
    units: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Results:
    """What a bench, or one of its tasks, found.

    Attributes:
        records: the numbers.
        gallery: examples to look at.
        answers: example by example.
        figures: data of pictures by name, plain values that `concord.reports` draws: see `concord.benchmarks.figures`.
        skipped: tasks that were not run, with the reason.
        about: what is common to all records: the model, its fingerprint, versions.
    """

    records: list[Record] = field(default_factory=list)
    gallery: list[GalleryItem] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Value by flat name, the form that loggers and `metrics.json` take."""
        return {record.name: record.value for record in self.records}

    def with_baseline(self, collapsed: Results) -> Results:
        """The same results with what a collapsed model got beside every number."""
        found = collapsed.values()
        return replace(self, records=[replace(record, collapsed=found.get(record.name)) for record in self.records])

    def without_examples(self) -> Results:
        """The same numbers without anything that shows a single example: for guarded data, see `concord.access`."""
        drawn = {name: figure for name, figure in self.figures.items() if figure["kind"] in AGGREGATES}
        return replace(self, gallery=[], figures=drawn)

    def write(self, folder: Path) -> None:
        """Leave these in a folder; what an earlier measurement left there is replaced.

        `records.json`, and the same as tables with the columns of `about`: `records.csv` and `records.parquet`; `gallery/`;
        `figures.json`, `skipped.json` and `about.json`; `predictions.parquet` where there are answers. They hold no date, so
        that equal results are equal files.
        """
        write_records(self.records, folder / "records.json")
        write_tables(Record, self.records, self.about, folder)
        write_gallery(self.gallery, folder / "gallery")
        for name, content in (("figures", self.figures), ("skipped", self.skipped), ("about", self.about)):
            write_json(folder / f"{name}.json", _plain(content))
        write_predictions(self.answers, folder / "predictions.parquet")


def merge(parts: Sequence[Results]) -> Results:
    """The results of several tasks, in order."""
    return Results(
        [record for part in parts for record in part.records],
        [item for part in parts for item in part.gallery],
        [answer for part in parts for answer in part.answers],
        {name: figure for part in parts for name, figure in part.figures.items()},
        {name: reason for part in parts for name, reason in part.skipped.items()},
        {name: value for part in parts for name, value in part.about.items()},
    )


def write_records(records: Sequence[Record], path: Path) -> None:
    """As a JSON list of objects; nan becomes null, so that any reader of JSON can read it."""
    write_json(path, _plain([asdict(record) for record in records]))


def read_records(path: Path) -> list[Record]:
    """What `write_records` wrote."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Record(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in rows]


def _plain(value: Any) -> Any:
    """Values that JSON knows: what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
