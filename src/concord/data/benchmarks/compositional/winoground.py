"""Winoground and ColorSwap: two pictures, two captions of the same words, and which belongs to which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, match_item
from concord.data.benchmarks.compositional.tables import find_rows
from concord.data.benchmarks.pictures import CellPictures, FilePictures, Pictures
from concord.data.benchmarks.rows import Row, json_lines, json_list, json_object, parquet_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

NO_TAG = "no tag"


class Winoground(Questions):
    """Two pictures and two captions of the same words (Thrush et al. 2022, https://arxiv.org/abs/2204.03162).

    Files: either examples.jsonl, objects of {id, image_0, image_1, caption_0, caption_1, collapsed_tag, ...} with images as
    STEM.png in a folder, or the Parquet files of facebook/winoground with the same columns.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: below it, a .jsonl file; or a Parquet file, a folder of them, or a pattern.
        images: below it, the folder of images beside a .jsonl file.
        by: what the subsets are. "all": the 400 items are one. "type": what the captions exchange (Object, Relation, Both).
            "tag": what an item asks for beside composition, by Diwan et al. (2022, https://arxiv.org/abs/2211.00768), such as
            "Complex Reasoning"; "no tag" for the 172 items that ask for nothing else. An item with several tags is in several.
        tags: below it, the JSON file of tags (id -> list); read with by="tag" alone.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "data/examples.jsonl",
        images: str = "data/images",
        by: Literal["all", "type", "tag"] = "all",
        tags: str = "new_tag_assignments.json",
        name: str = "winoground",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, annotations)
        table = _Table(name, file, ".jsonl", ("image_0", "image_1"), below(path, images), ".png", storage)
        audit = json_object(storage, below(path, tags)) if by == "tag" else None
        super().__init__(table.pictures, _winoground(table, by, audit), file, missing)


class ColorSwap(Questions):
    """Two pictures and two captions that exchange their colours (Burapacheep et al. 2024, https://arxiv.org/abs/2402.04492).

    Files: either test.json, a list of {id, caption_1, caption_2, image_1, image_2, ...}, or the Parquet files of
    stanfordnlp/colorswap with the same columns.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: below it, a .json file; or a Parquet file, a folder of them, or a pattern.
        images: below it, the folder that image paths of a .json file start from.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "data/test.json",
        images: str = "data",
        name: str = "color_swap",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, annotations)
        table = _Table(name, file, ".json", ("image_1", "image_2"), below(path, images), "", storage)
        items = (
            match_item(row.name("id"), table.images(number, row), (row.text("caption_1"), row.text("caption_2")))
            for number, row in table.rows(("id", "caption_1", "caption_2"))
        )
        super().__init__(table.pictures, items, file, missing)


class _Table:
    """The rows of a file and the pictures that they name, or those of Parquet files and the pictures that they hold."""

    def __init__(self, name: str, file: str, suffix: str, columns: tuple[str, str], root: str, ending: str, storage: Storage) -> None:
        self._file, self._suffix, self._storage = file, suffix, storage
        self._columns, self._ending = columns, ending
        self._parquet = None if file.lower().endswith(suffix) else find_rows(file, storage)
        self._files = FilePictures(name, root, storage)
        self._cells = None if self._parquet is None else CellPictures(name, self._parquet, root, storage)

    @property
    def pictures(self) -> Pictures:
        return self._files if self._cells is None else self._cells

    def rows(self, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
        if self._parquet is not None:
            return enumerate(parquet_rows(self._parquet, columns))
        return enumerate((json_lines if self._suffix == ".jsonl" else json_list)(self._storage, self._file))

    def images(self, number: int, row: Row) -> list[int]:
        """The numbers of the pictures of a row."""
        if self._cells is None:
            return [self._files.file(row.text(column) + self._ending) for column in self._columns]
        return [self._cells.cell(number, column) for column in self._columns]


def _winoground(table: _Table, by: str, audit: Row | None) -> Iterator[Item | None]:
    for number, row in table.rows(("id", "caption_0", "caption_1", "collapsed_tag")):
        key, captions = row.name("id"), (row.text("caption_0"), row.text("caption_1"))
        subsets = [row.text("collapsed_tag")] if by == "type" else [""]
        if audit is not None:
            subsets = audit.texts(key) or [NO_TAG]
        for subset in subsets:
            yield match_item(key, table.images(number, row), captions, subset=subset)
