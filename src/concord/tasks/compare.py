"""`task=compare`: two measured models, example by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from concord.benchmarks import Answers, Comparison, Record, compare_answers, read_predictions, read_records
from concord.errors import DataError
from concord.files import write_atomically, write_json
from concord.reports.metrics import number
from concord.tasks.assemble import require_path

EXAMPLE = "task=compare task.a=runs/ONE task.b=runs/OTHER, both measured with benchmark.predictions=true"
SURE = 0.05
WIDTHS = {"metric": 21, "a": 6, "b": 6, "b - a": 6, "95% interval": 15, "p": 8, "adjusted": 8}
"""Characters of the columns."""

CAPTION = (
    "b - a with the 95% interval of a paired bootstrap over independent units; p: McNemar's exact test where answers are right or "
    "wrong and independent, else the bootstrap; adjusted by Holm for all lines; bold where it is below 0.05"
)


def compare(cfg: dict[str, Any], folder: Path, a: str | None, b: str | None, resamples: int, seed: int) -> list[Comparison]:
    """Compare two evaluations that kept their predictions; the folder gets `comparison.json` and `comparison.csv`.

    Args:
        cfg: the resolved configuration.
        folder: this job's folder.
        a, b: folders of the two evaluations.
        resamples: of the bootstrap, at least 1000.
        seed: of the bootstrap.

    Raises:
        ConfigError: when a folder is not given.
        DataError: for a folder without predictions, and numbers that were measured on other data or by other rules.
    """
    first, second = (Path(require_path(path, f"task.{name}", EXAMPLE)) for name, path in (("a", a), ("b", b)))
    mine, theirs = _predictions(first, "a"), _predictions(second, "b")
    _check_alike(first, second, [name for name in mine if name in theirs])
    found = compare_answers(mine, theirs, resamples, seed)
    rows = [{**asdict(comparison), "difference": comparison.difference} for comparison in found]
    write_json(folder / "comparison.json", {"a": str(first), "b": str(second), "comparisons": rows})
    write_atomically(folder / "comparison.csv", lambda file: pyarrow.csv.write_csv(pa.Table.from_pylist(rows), file))
    console = Console()
    console.print(_table(found, first.name, second.name))
    console.print(f"comparison: {folder} (comparison.json, comparison.csv)", markup=False, highlight=False, soft_wrap=True)
    return found


def _predictions(folder: Path, name: str) -> Mapping[str, Answers]:
    path = folder / "predictions.parquet"
    if not path.is_file():
        raise DataError(f"task.{name}: {folder} holds no predictions.parquet; measure it with benchmark.predictions=true")
    return read_predictions(path)


def _check_alike(a: Path, b: Path, names: Sequence[str]) -> None:
    """Refuse numbers that only bear the same name."""
    mine, theirs = _records(a), _records(b)
    for name in names:
        for what in ("data", "protocol"):
            if name in mine and name in theirs and getattr(mine[name], what) != getattr(theirs[name], what):
                how = "on other examples" if what == "data" else "by other rules"
                raise DataError(f"{name}: a and b were measured {how}; evaluate both with the same benchmark and data")


def _records(folder: Path) -> Mapping[str, Record]:
    path = folder / "records.json"
    try:
        return {record.name: record for record in read_records(path)}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def _table(found: Sequence[Comparison], a: str, b: str) -> Group:
    """A section per test and part of it, for a terminal of 80 characters; the files hold the rest."""
    parts: list[Table | Text] = [Text(f"a: {a}\nb: {b}"), _columns(header=True)]
    for section, own in groupby(found, key=lambda one: one.name.rpartition("/")[0]):
        table = _columns(header=False)
        for one in own:
            table.add_row(*_cells(one), style="bold" if one.adjusted_p < SURE else None)
        parts += [Text(section, "bold"), table]
    return Group(*parts, Text(CAPTION, "dim"))


def _columns(header: bool) -> Table:
    table = Table(box=None, show_header=header, padding=(0, 1, 0, 0), header_style="bold")
    for name, width in WIDTHS.items():
        table.add_column(name, justify="left" if name == "metric" else "right", width=width, overflow="fold")
    return table


def _cells(one: Comparison) -> list[str]:
    values = [number(one.name, value) for value in (one.a, one.b, one.difference, one.low, one.high)]
    metric = escape(one.name.rpartition("/")[2])
    return [f"  {metric}", *values[:3], rf"\[{values[3]}, {values[4]}]", f"{one.p:.2g}", f"{one.adjusted_p:.2g}"]
