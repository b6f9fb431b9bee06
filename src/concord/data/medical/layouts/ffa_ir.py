"""FFA-IR (Li et al. 2021): series of fluorescein angiographies with reports in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concord.access import Access
from concord.data.benchmarks.rows import Row, json_object
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.several import numbered
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

SPLITS: Mapping[str, tuple[Split, ...]] = {"train": ("train",), "val": ("validation",), "valid": ("validation",), "test": ("test",)}


class FFAIR(Layout):
    """`{"train": {CASE: {"En_Report", "Ch_Report", "Image_path": ["CASE/1.jpg", ...]}}, ...}` and pictures in `FFAIR/CASE/`.

    A case has tens of pictures and one report. The case stands for the patient and is a study of its own.

    texts: `report` in English and `report_zh` in Chinese, both without headings. known: `frame`, the place in the series, from 0.

    Args:
        path: the folder.
        frames: k, how many pictures of each case, evenly spread over its series; None takes all.
        reports: the JSON file below it.
        images: the folder of cases below it.

    Raises:
        ValueError: for fewer than 1 picture.
    """

    name = "ffa_ir"
    access: Access = "credentialed"
    modality = "fundus"

    def __init__(self, path: str, frames: int | None = 8, reports: str = "ffair_annotation.json", images: str = "FFAIR") -> None:
        if frames is not None and frames < 1:
            raise ValueError(f"frames must be at least 1 or null, got {frames}")
        self.root = below(path, images)
        self._frames = frames
        self._reports = below(path, reports)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        everything = json_object(storage, self._reports)
        if strange := sorted(map(str, everything.cells.keys() - SPLITS.keys())):
            raise DataError(f"{everything.place}: no part is called {strange[0]!r}; valid: {', '.join(SPLITS)}")
        for part in everything.cells:
            cases = everything.inner(part)
            for case in cases.cells:
                yield from self._case(case, SPLITS[part][0], cases.inner(case))

    def _case(self, case: str, split: Split, row: Row) -> Iterator[Exam]:
        texts = {**numbered("report", [row.cells.get("En_Report")]), **numbered("report_zh", [row.cells.get("Ch_Report")])}
        paths = row.texts("Image_path")
        for place in spread(len(paths), self._frames):
            yield Exam(paths[place], case, study=case, split=split, texts=texts, known={"frame": place})


def spread(count: int, most: int | None) -> list[int]:
    """At most so many places among `count`, each in the middle of an equal share; None gives all."""
    if most is None or count <= most:
        return list(range(count))
    return [(2 * place + 1) * count // (2 * most) for place in range(most)]
