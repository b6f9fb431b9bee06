"""PathVQA (He et al. 2020): pictures of pathology textbooks with questions that were made of their captions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from concord.access import Access
from concord.data.benchmarks.rows import Row, json_list, parquet_rows
from concord.data.medical.answers import ANSWER, QUESTION, as_texts, by_picture
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import first_there, is_there
from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import RawImage

PARTS: Mapping[str, Split] = {"train": "train", "val": "validation", "test": "test"}

CACHE = 64 << 20
"""Bytes of decoded row groups that each reading process keeps."""

_PICKLED = (
    "{} is a pickle, which may run any code when it is read; take the Parquet files of the hub's flaviagiammarino/path-vqa, or write its "
    "list of image, question and answer as {} on a machine that you can lose"
)


class PathVQA(Layout):
    """`qas/train/train_qa.json` and so on, lists of `{"image": "train_0001", "question", "answer"}`, beside
    `images/train/train_0001.jpg`; lists may also lie in the folder itself. Parts that are not there are left out.

    The data set is published with pickles in the place of these lists; they are refused.

    texts: `question`, `answer`, `question 2`, `answer 2`, ...; what is answered by yes or no is a closed question.

    Args:
        path: the folder.
    """

    name = "path_vqa"
    access: Access = "restricted"
    modality = "figure"

    def __init__(self, path: str) -> None:
        self.root = below(path, "images")
        self._path = path

    def exams(self, storage: Storage) -> Iterator[Exam]:
        files = {part: file for part in PARTS if (file := self._list(storage, part)) is not None}
        if not files:
            raise DataError(f"{without_secrets(self._path)}: no qas/train/train_qa.json or list of another part in it")
        for part, file in files.items():
            rows = ((row.text("image"), row) for row in json_list(storage, file))
            for picture, asked in by_picture(self.name, rows).items():
                texts = as_texts(pair for _, pair in asked)
                yield Exam(f"{part}/{picture}.jpg", picture, split=PARTS[part], texts=texts)

    def _list(self, storage: Storage, part: str) -> str | None:
        places = [below(self._path, f"{folder}{part}_qa") for folder in (f"qas/{part}/", "")]
        file = first_there(storage, [f"{place}.json" for place in places])
        if file is None and (pickled := [place for place in places if is_there(storage, f"{place}.pkl")]):
            name = without_secrets(pickled[0])
            raise DataError(_PICKLED.format(f"{name}.pkl", f"{name}.json"))
        return file


class PathVQAParquet(Layout):
    """`data/train-*.parquet`, `data/validation-*.parquet` and `data/test-*.parquet` of the hub's flaviagiammarino/path-vqa: rows of
    image, question and answer, the image being repeated in each of its rows.

    Rows with the same bytes are one exam, which needs a look at all of them: the files, 0.8 GB, are read through once at the start.

    texts: as of `PathVQA`.

    Args:
        path: the folder that holds data/.
    """

    name = "path_vqa"
    access: Access = "restricted"
    modality = "figure"

    def __init__(self, path: str) -> None:
        self.root = below(path, "data")
        self._rows: dict[str, ParquetRows] = {}

    def exams(self, storage: Storage) -> Iterator[Exam]:
        for split in PARTS.values():
            files = storage.find(below(self.root, f"{split}-*.parquet"), ".parquet")
            self._rows[split] = ParquetRows(files, storage, CACHE)
            first: dict[str, int] = {}
            for picture, asked in by_picture(self.name, self._looked_at(split, first)).items():
                yield Exam(f"{split}/{first[picture]}", picture, split=split, texts=as_texts(pair for _, pair in asked))

    def read(self, exam: Exam, storage: Storage) -> RawImage:
        split, _, number = exam.image.partition("/")
        return ImageCells(self.root, storage).read(exam.image, self._rows[split].read(int(number), ["image"])["image"])

    def _looked_at(self, split: str, first: dict[str, int]) -> Iterator[tuple[str, Row]]:
        """The records of a part with a name for their picture that only its copies share; and the first row of each."""
        for number, row in enumerate(parquet_rows(self._rows[split], ["image", QUESTION, ANSWER])):
            content = row.inner("image").cells.get("bytes") or b""
            picture = hashlib.blake2b(content, digest_size=16).hexdigest()
            first.setdefault(picture, number)
            yield picture, Row(row.place, {key: row.cells[key] for key in (QUESTION, ANSWER)})
