"""BiVLC and InpaintCOCO: photographs of COCO and pictures that a model made for a changed caption."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import Questions, match_item
from concord.data.benchmarks.compositional.tables import find_rows
from concord.data.benchmarks.pictures import CellPictures
from concord.data.benchmarks.rows import parquet_rows
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.storage import Storage
from concord.items import Item


class BiVLC(Questions):
    """SugarCrepe's captions with a picture for each wrong one (Miranda et al. 2024, https://arxiv.org/abs/2406.09952).

    Files: the Parquet files of imirandam/BiVLC: image, caption, negative_caption, negative_image, type (replace, swap, add),
    subtype (obj, att, rel). Text and image are in the order (photograph, made picture). The right pictures are photographs and
    the wrong ones are not, which a model may tell apart by itself.

    Args:
        path: a Parquet file, a folder of them, a pattern, or the URL of one.
        by: what the subsets are: "all", the whole test, as its authors count; "type"; or "subtype", such as "replace_obj".
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for files that are missing or of another form.
    """

    def __init__(
        self, path: str, by: Literal["all", "type", "subtype"] = "all", name: str = "bivlc", storage: Storage | None = None
    ) -> None:
        storage = storage if storage is not None else Storage()
        rows = find_rows(path, storage)
        pictures = CellPictures(name, rows, ".", storage)
        super().__init__(pictures, _bivlc(rows, by, pictures), rows.place)


class InpaintCOCO(Questions):
    """One object of a photograph painted over with another (Roesch et al. 2024, https://arxiv.org/abs/2403.02875).

    Files: the Parquet files of phiyodr/InpaintCOCO: concept, coco_caption, coco_image, inpaint_caption, inpaint_image,
    coco_details {id, ...}, ... Text and image are in the order (photograph, edited one). The unit of an item is the photograph,
    which several edits may share.

    Args:
        path: a Parquet file, a folder of them, a pattern, or the URL of one.
        by: what the subsets are: "all", the whole test; or "concept" (color, object, size).
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for files that are missing or of another form.
    """

    def __init__(
        self, path: str, by: Literal["all", "concept"] = "all", name: str = "inpaint_coco", storage: Storage | None = None
    ) -> None:
        storage = storage if storage is not None else Storage()
        rows = find_rows(path, storage)
        pictures = CellPictures(name, rows, ".", storage)
        super().__init__(pictures, _inpainted(rows, by, pictures), rows.place)


def _bivlc(rows: ParquetRows, by: str, pictures: CellPictures) -> Iterator[Item | None]:
    for number, row in enumerate(parquet_rows(rows, ("caption", "negative_caption", "type", "subtype"))):
        kind = row.text("type")
        subset = {"all": "", "type": kind, "subtype": f"{kind}_{row.text('subtype')}"}[by]
        images = [pictures.cell(number, "image"), pictures.cell(number, "negative_image")]
        yield match_item(str(number), images, (row.text("caption"), row.text("negative_caption")), subset=subset)


def _inpainted(rows: ParquetRows, by: str, pictures: CellPictures) -> Iterator[Item | None]:
    for number, row in enumerate(parquet_rows(rows, ("concept", "coco_caption", "inpaint_caption", "coco_details"))):
        images = [pictures.cell(number, "coco_image"), pictures.cell(number, "inpaint_image")]
        texts = row.text("coco_caption"), row.text("inpaint_caption")
        subset = row.text("concept") if by == "concept" else ""
        yield match_item(str(number), images, texts, subset=subset, unit=row.inner("coco_details").name("id"))
