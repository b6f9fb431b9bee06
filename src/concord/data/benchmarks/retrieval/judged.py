"""COCO's test with the matches that people found beyond the original pairs: ECCV Caption and Crisscrossed Captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from concord.data.benchmarks.retrieval.captioned import Captioned, CaptionedImages
from concord.data.benchmarks.rows import csv_rows
from concord.data.readers.annotated import below
from concord.data.readers.documents import entries as listed
from concord.data.readers.documents import load_document, value
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.relevance import Relevance

Judgements = Literal["eccv", "cxc", "original"]


class NumberedCoco(CaptionedImages):
    """A part of Karpathy's split of COCO under the numbers that judgements use: keys are those of images, captions have ids.

    Args:
        path: the folder that holds the annotations and the images, local or behind a URL.
        split: "val" or "test".
        annotations: Karpathy's JSON below it.
        images: the folder below it that holds val2014; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form.
    """

    def __init__(
        self,
        path: str,
        split: Literal["val", "test"] = "test",
        annotations: str = "dataset_coco.json",
        images: str = "",
        name: str = "coco",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, annotations)
        entries = _part_of(load_document(storage, file), split, without_secrets(file))
        super().__init__(entries, below(path, images), without_secrets(file), name, storage)


def judged_matches(path: str, judgements: Judgements = "eccv", storage: Storage | None = None) -> Relevance:
    """What fits what, from the files of the `eccv_caption` package (Chun et al. 2022).

    Args:
        path: the folder of JUDGEMENTS_caption_to_image.json and JUDGEMENTS_image_to_caption.json, each an object from the id
            of a query to the list of ids that fit it.
        judgements: "eccv" (1,332 captions and 1,261 images as queries), "cxc" (Parekh et al. 2021), or "original".
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form.
    """
    storage = storage if storage is not None else Storage()
    place = below(path, judgements)
    captions_of = _matches(storage, f"{place}_image_to_caption.json")
    return Relevance(captions_of, _matches(storage, f"{place}_caption_to_image.json"))


def judged_grades(path: str, right_from: float = 3.0, storage: Storage | None = None) -> Relevance:
    """How well captions and images fit, 0 to 5, from sits_val.csv or sits_test.csv of Crisscrossed Captions (Parekh et al. 2021).

    A caption and an image that were not judged together have grade 0.

    Args:
        path: the CSV file, with the columns caption, image and agg_score.
        right_from: the least grade that counts as right where a metric knows right and wrong only.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form.
    """
    found = list(_graded(storage if storage is not None else Storage(), path))
    return Relevance(_by_query((image, caption, grade) for caption, image, grade in found), _by_query(found), right_from)


def _part_of(document: dict[str, Any], split: str, file: str) -> Iterator[Captioned]:
    for place, image in listed(document, "images", file):
        if value(image, "split", str, place) != split:
            continue
        sentences = list(listed(image, "sentences", place))
        yield Captioned(
            file=f"{value(image, 'filepath', str, place)}/{value(image, 'filename', str, place)}",
            captions=tuple(value(sentence, "raw", str, where) for where, sentence in sentences),
            key=str(value(image, "cocoid", int, place)),
            ids=tuple(str(value(sentence, "sentid", int, where)) for where, sentence in sentences),
        )


def _matches(storage: Storage, file: str) -> Mapping[str, Mapping[str, float]]:
    document = load_document(storage, file)
    place = without_secrets(file)
    return {query: {str(name): 1.0 for name in value(document, query, list, place)} for query in document}


def _graded(storage: Storage, file: str) -> Iterator[tuple[str, str, float]]:
    """Caption id, image id and grade above 0 of every row."""
    for row in csv_rows(storage, file, ["caption", "image", "agg_score"]):
        if (grade := row.number("agg_score")) > 0:
            yield row.name("caption").rsplit(":", 1)[-1], _coco_number(row.text("image"), row.place), grade


def _coco_number(image: str, place: str) -> str:
    """COCO_val2014_000000000042.jpg is image 42."""
    digits = image.rsplit("/", 1)[-1].removesuffix(".jpg").rsplit("_", 1)[-1]
    if not (digits.isascii() and digits.isdigit()):
        raise DataError(f"{place}: {image!r} is no name of a COCO image")
    return str(int(digits))


def _by_query(rows: Iterable[tuple[str, str, float]]) -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for query, candidate, grade in rows:
        found.setdefault(query, {})[candidate] = grade
    return found
