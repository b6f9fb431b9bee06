"""CLIP_benchmark's `wds` layout: numbered shards with a class, a vector or captions beside every picture.

Dimensions: N examples, C classes, M columns of metadata.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.labelled import Labelled, names_of
from concord.data.benchmarks.classification.wds_files import KIND, WdsFiles
from concord.data.benchmarks.classification.wds_members import CLASS, TEXT, VECTOR, TarPictures
from concord.data.readers.captions import captions_of, usable
from concord.data.source import BadSample
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import Pair


class WebDatasetLayout(Labelled):
    """A data set of classification in CLIP_benchmark's `wds` layout, as the collections of VTAB+ and DataComp are published.

        classnames.txt, zeroshot_classification_templates.txt, dataset_type.txt
        SPLIT/nshards.txt, SPLIT/0.tar, SPLIT/1.tar, ... with KEY.webp and KEY.cls, or KEY.npy for several classes

    Shards are read in place. All classes are read at the start; an example that lacks its picture or its class is an error.

    Args:
        path: the folder, or its URL.
        split: the folder of shards in it.
        objective: which list of classes, where both text files prefix their lines ("race:", "age:", as in FairFace). The label is
            the column of metadata of this name where there is one.
        metadata: names of the columns of KEY.npy beside KEY.cls (WILDS: region, year, ...); None leaves them out.
        value_names: by column, what its values 0, 1, ... are called.
        class_names: instead of classnames.txt: a list, or a set of `concord.vocabularies`.
        name: for logs and metrics; the folder's name when not given.
        storage: reads the files.

    Raises:
        DataError: for missing or damaged files, a number of shards that does not agree with them, a data set of captions, a label
            that no class name stands for, and vectors that do not fit.
        ValueError: for value names of a column that is not among the metadata.
    """

    def __init__(
        self,
        path: str,
        split: str = "test",
        objective: str | None = None,
        metadata: list[str] | None = None,
        value_names: dict[str, list[str]] | None = None,
        class_names: list[str] | str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        self._columns = list(metadata or [])
        self._value_names = dict(value_names or {})
        for column in self._value_names:
            if column not in self._columns:
                raise ValueError(f"value_names must name columns of metadata ({', '.join(self._columns) or 'none'}), got {column}")
        storage = storage if storage is not None else Storage()
        files = WdsFiles(path, storage)
        kind = files.kind()
        if kind == "retrieval":
            raise DataError(f"{files.place}/{KIND} says retrieval: it has captions and no classes; read it with WebDatasetCaptions")
        pictures = TarPictures(files.shards(split), storage)
        self._vectors = _vectors(pictures, len(self._columns)) if self._columns else np.empty((len(pictures), 0))
        labels: NDArray[Any]
        if objective in self._columns:
            labels = _as_labels(self._vectors[:, self._columns.index(objective)], f"{files.place}, column {objective}")
        else:
            labels = _several(pictures) if kind == "multilabel" else _classes(pictures)
        names = names_of(class_names) if class_names is not None else files.class_names(objective)
        self.templates = files.templates(objective)
        super().__init__(name if name is not None else files.path.rpartition("/")[2], pictures, labels, names)

    def _known(self, index: int) -> Mapping[str, Any]:
        return {column: self._value(column, float(value)) for column, value in zip(self._columns, self._vectors[index], strict=True)}

    def _value(self, column: str, value: float) -> str | int | float:
        number = int(value) if value.is_integer() else value
        names = self._value_names.get(column, [])
        return names[number] if isinstance(number, int) and 0 <= number < len(names) else number


class WebDatasetCaptions:
    """A data set of retrieval in the same layout: KEY.txt holds a caption a line, where a line break inside of one is written \\n.

    Args:
        path, split, name, storage: see `WebDatasetLayout`.

    Raises:
        DataError: for missing or damaged files, a number of shards that does not agree with them, and a data set of classes.
    """

    def __init__(self, path: str, split: str = "test", name: str | None = None, storage: Storage | None = None) -> None:
        storage = storage if storage is not None else Storage()
        files = WdsFiles(path, storage)
        if files.kind() != "retrieval":
            raise DataError(f"{files.place}/{KIND} must say retrieval for a data set of captions; read classes with WebDatasetLayout")
        self.name = name if name is not None else files.path.rpartition("/")[2]
        self._pictures = TarPictures(files.shards(split), storage)
        self._pictures.require(TEXT)

    def __len__(self) -> int:
        return len(self._pictures)

    def key(self, index: int) -> str:
        return self._pictures.key(index)

    def location(self, index: int) -> str:
        return self._pictures.location(index)

    def fingerprint(self) -> str:
        return self._pictures.fingerprint()

    def captions(self, index: int) -> tuple[str, ...]:
        key = self.key(index)
        try:
            lines = self._pictures.member(index, TEXT).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise BadSample("caption is not UTF-8", key) from None
        return usable(key, captions_of([line.replace("\\n", "\n") for line in lines]))

    def __getitem__(self, index: int) -> Pair:
        return Pair(self._pictures.read(index), self.captions(index), self.key(index), self.name)


def _classes(pictures: TarPictures) -> NDArray[np.int64]:
    """[N] of KEY.cls."""
    labels = np.empty(len(pictures), dtype=np.int64)
    for index, content in enumerate(pictures.members(CLASS)):
        text = content.strip()
        if not text.isdigit() or len(text) > 9:
            raise DataError(f"{pictures.location(index)}, example {pictures.key(index)}: its .cls is no class number ({text[:20]!r})")
        labels[index] = int(text)
    return labels


def _several(pictures: TarPictures) -> NDArray[np.int8]:
    """[N, C] of KEY.npy with 0 and 1."""
    values = _vectors(pictures, None)
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        index, label = wrong[0].tolist()
        raise DataError(f"{pictures.location(index)}, example {pictures.key(index)}: labels must be 0 or 1, got {values[index, label]}")
    return values.astype(np.int8)


def _vectors(pictures: TarPictures, width: int | None) -> NDArray[np.float64]:
    """[N, M] of KEY.npy; all must be as long as `width` or, where it is None, as the first."""
    rows: list[NDArray[np.float64]] = []
    for index, content in enumerate(pictures.members(VECTOR)):
        place = f"{pictures.location(index)}, example {pictures.key(index)}"
        rows.append(_vector(content, place))
        width = width if width is not None else len(rows[0])
        if len(rows[-1]) != width:
            raise DataError(f"{place}: its .npy holds {len(rows[-1])} values, expected {width}")
    return np.stack(rows)


def _vector(content: bytes, place: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
        return values.astype(np.float64).reshape(-1)
    except Exception as error:  # NumPy meets damaged headers with errors of many classes
        raise DataError(f"{place}: its .npy cannot be read ({' '.join(str(error).split())})") from None


def _as_labels(values: NDArray[np.float64], place: str) -> NDArray[np.int64]:
    if not (values == values.round()).all():
        raise DataError(f"{place}: its values are no class numbers")
    return values.astype(np.int64)
