"""What the files of a medical data set say of its pictures, packed into columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from concord.data.readers.packing import checksum, decoded, encoded, pack
from concord.types import ViewPosition

Split = Literal["train", "validation", "test", ""]
"""As the data set's own lists have it; "" where it has none."""


FRONTAL: tuple[ViewPosition, ...] = ("PA", "AP", "FRONTAL")

UNKNOWN = -1
"""In findings: nobody said whether it is there."""


@dataclass(frozen=True)
class Exam:
    """One picture as the data set's lists have it.

    Attributes:
        image: path below the data set's folder of images, with forward slashes.
        patient: who is shown, or the nearest to it that the data set tells (study, lesion, article, slide).
        study: pictures that one report is about; "" where the picture stands alone.
        view: of a radiograph.
        modality: see `concord.data.medical.modalities`; "" for the layout's own.
        split: that the data set puts it into.
        position: of a slice in a volume or a frame in a film, as a share of its length in [0, 1]; None leaves the choice to the
            decoder.
        label: number of its one class; None where it has none.
        findings: 1, 0 or `UNKNOWN` per class, where it may be of several; () where it has none.
        texts: what is written of it, by section or field: "findings", "impression", "report", "caption", ...
        known: further plain values for its metadata, none of which identifies anybody.
    """

    image: str
    patient: str
    study: str = ""
    view: ViewPosition = ""
    modality: str = ""
    split: Split = ""
    position: float | None = None
    label: int | None = None
    findings: tuple[int, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The picture's own: its path, and of volumes the place in it."""
        return self.image if self.position is None else f"{self.image}@{self.position:g}"

    @property
    def identity(self) -> str:
        """What is the same in every release of a data set, whatever its folders and formats."""
        return _identity(self.patient, self.study, self.image, self.position)

    @property
    def together(self) -> str:
        """What its study is called; the picture's own name where it stands alone."""
        return f"{self.patient}/{self.study}" if self.study else self.name


_TEXTS = ("image", "patient", "study", "view", "modality", "split")
SCHEMA = pa.schema(
    [
        *((name, pa.large_binary()) for name in _TEXTS),
        ("position", pa.float64()),
        ("label", pa.int32()),
        ("findings", pa.large_list(pa.int8())),
        ("texts", pa.large_binary()),
        ("known", pa.large_binary()),
    ]
)


class Exams:
    """N exams with random access, in memory that reading processes share.

    Args:
        exams: read once; or the rows of some that are packed already.
    """

    def __init__(self, exams: Iterable[Exam] | pa.RecordBatch) -> None:
        self._rows = exams if isinstance(exams, pa.RecordBatch) else pack(map(_packed, exams), SCHEMA)

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __getitem__(self, index: int) -> Exam:
        row = {name: self._rows[name][index].as_py() for name in SCHEMA.names}
        texts: dict[str, Any] = {name: decoded(row[name]) for name in _TEXTS}
        places = {"position": row["position"], "label": row["label"], "findings": tuple(row["findings"])}
        return Exam(**texts, **places, texts=json.loads(row["texts"]), known=json.loads(row["known"]))

    def __iter__(self) -> Iterator[Exam]:
        return (self[index] for index in range(len(self)))

    def column(self, name: str) -> np.ndarray:
        """One of the short texts of all exams: object [N] of str."""
        different = self._rows[name].dictionary_encode()  # most repeat: of a patient, a view, a split
        texts = np.array([decoded(value) for value in different.dictionary.to_pylist()], dtype=object)
        return texts[different.indices.to_numpy()]

    def identities(self) -> list[str]:
        """See `Exam.identity`."""
        columns = (self.column(name).tolist() for name in ("patient", "study", "image"))
        return [_identity(*one) for one in zip(*columns, self._rows["position"].to_pylist(), strict=True)]

    def take(self, indices: np.ndarray) -> Exams:
        """Those of the exams, in this order."""
        return Exams(self._rows.take(pa.array(indices, pa.int64())))

    def checksum(self) -> str:
        """Changes when an exam or their order does."""
        return checksum(self._rows)


def _packed(exam: Exam) -> tuple[Any, ...]:
    texts = (encoded(getattr(exam, name)) for name in _TEXTS)
    return (*texts, exam.position, exam.label, exam.findings, _json(exam.texts), _json(exam.known))


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(values)).encode() if values else b"{}"


def _identity(patient: str, study: str, image: str, position: float | None) -> str:
    place = "" if position is None else f"@{position:g}"
    return f"{patient}/{study}/{PurePosixPath(image).stem}{place}"
