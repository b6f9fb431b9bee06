"""WinoGAViL: pictures that people associate with a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import Questions, images_item
from concord.data.benchmarks.compositional.tables import find_rows
from concord.data.benchmarks.pictures import CellPictures
from concord.data.benchmarks.rows import parquet_rows
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

MOST_OF_FEW = 6
"""Candidates up to which a question counts as one of few."""

FEW, MANY = "5-6", "10-12"


class WinoGAViL(Questions):
    """Which of 5 to 12 pictures belong to a word (Bitton et al. 2022, https://arxiv.org/abs/2207.12576), as in DataComp.

    Files: the Parquet files of nlphuji/winogavil (split test): cue, candidates (names), candidate_images (in their order),
    associations (names). The text is "A" or "An", by its first letter, and the cue in lower case.

    Args:
        path: a Parquet file, a folder of them, a pattern, or the URL of one.
        by: what the subsets are: "size", few candidates (5-6) and many (10-12, which DataComp counts); or "candidates", each
            number of them.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for files that are missing or of another form.
    """

    def __init__(
        self, path: str, by: Literal["size", "candidates"] = "size", name: str = "winogavil", storage: Storage | None = None
    ) -> None:
        storage = storage if storage is not None else Storage()
        rows = find_rows(path, storage)
        pictures = CellPictures(name, rows, ".", storage)
        super().__init__(pictures, _associations(rows, by, pictures), rows.place)


def _associations(rows: ParquetRows, by: str, pictures: CellPictures) -> Iterator[Item | None]:
    for number, row in enumerate(parquet_rows(rows, ("cue", "candidates", "associations"))):
        candidates, right = row.texts("candidates"), set(row.texts("associations"))
        if not right or not right <= set(candidates):
            raise DataError(
                f"{row.place}: 'associations' must be some of {', '.join(candidates)}, got {', '.join(sorted(right)) or 'none'}"
            )
        images = [(name in right, pictures.cell(number, f"candidate_images.{place}")) for place, name in enumerate(candidates)]
        chosen, others = ([image for is_right, image in images if is_right is wanted] for wanted in (True, False))
        subset = str(len(candidates)) if by == "candidates" else FEW if len(candidates) <= MOST_OF_FEW else MANY
        yield images_item(str(number), _prompt(row.text("cue")), chosen, others, form="set", subset=subset)


def _prompt(cue: str) -> str:
    word = cue.lower()
    return f"{'An' if word[0] in 'aeiou' else 'A'} {word}"
