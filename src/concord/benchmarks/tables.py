"""Results as tables: one tidy row per record, and one per answer."""

from __future__ import annotations

import io
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from concord.errors import DataError
from concord.files import write_atomically

if TYPE_CHECKING:
    from concord.benchmarks.records import Answers, Record

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def write_tables(kind: type[Record], records: Sequence[Record], about: Mapping[str, str], folder: Path) -> None:
    """`records.csv` and `records.parquet`: the name of each record, what is common to all (`about`), and its columns.

    Every column has one type, whatever it holds: None is an empty field, and a value that is not a number "nan".
    """
    schema = pa.schema([("name", pa.string()), *((key, pa.string()) for key in about), *_columns(kind)])
    table = pa.Table.from_pylist([{"name": record.name, **about, **asdict(record)} for record in records], schema)
    write_atomically(folder / "records.parquet", lambda file: pyarrow.parquet.write_table(table, file))
    text = io.BytesIO()
    pyarrow.csv.write_csv(table, text)
    write_atomically(folder / "records.csv", lambda file: file.write(text.getvalue()))


def write_predictions(answers: Sequence[Answers], path: Path) -> None:
    """One row per record and example: `record` (its name), `key` and `unit` of the example, and the `value` that it got.

    Keys name examples as the data set does; nothing else of them is written: no picture, text, label or patient. Units are
    numbers that only say which examples belong together. Without answers the file of an earlier measurement is removed.
    """
    if not answers:
        path.unlink(missing_ok=True)
        return
    table = pa.table(
        {
            "record": pa.DictionaryArray.from_arrays(
                np.repeat(np.arange(len(answers), dtype=np.int32), [len(answer.keys) for answer in answers]),
                pa.array([answer.name for answer in answers], pa.string()),
            ),
            "key": pa.array([key for answer in answers for key in answer.keys], pa.string()),
            "unit": np.concatenate([np.asarray(answer.units, dtype=np.int64) for answer in answers]),
            "value": np.concatenate([np.asarray(answer.values, dtype=np.float64) for answer in answers]),
        }
    )
    write_atomically(path, lambda file: pyarrow.parquet.write_table(table, file))


def read_predictions(path: Path) -> dict[str, Answers]:
    """What `write_predictions` wrote, by name of the record.

    Raises:
        DataError: for a file that is missing or damaged.
    """
    from concord.benchmarks.records import Answers

    try:
        table = pyarrow.parquet.read_table(path, columns=["record", "key", "unit", "value"]).combine_chunks()
        names, keys = table["record"].cast(pa.string()).to_numpy(), table["key"].to_pylist()
        units, values = table["unit"].to_numpy(), table["value"].to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}; measure it again") from None
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)] if len(names) else [0]
    return {
        str(names[start]): Answers(str(names[start]), keys[start:end], units[start:end], values[start:end])
        for start, end in pairwise(edges)
    }


def _columns(kind: type[Any]) -> list[tuple[str, pa.DataType]]:
    hints = typing.get_type_hints(kind)
    return [(field.name, _TYPES[next(iter(typing.get_args(hints[field.name])), hints[field.name])]) for field in fields(kind)]
