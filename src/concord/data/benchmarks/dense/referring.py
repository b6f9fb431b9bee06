"""Sentences about boxes in images."""

from __future__ import annotations

import logging
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from concord.data.benchmarks.compositional.questions import Missing
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_lines
from concord.data.readers.annotated import below
from concord.data.readers.documents import load_json
from concord.data.source import digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.images import stored_size
from concord.items import Reference, Region

logger = logging.getLogger(__name__)

PICKLES = (".p", ".pkl", ".pickle")


class ReferringBoxes:
    """RefCOCO, RefCOCO+ and RefCOCOg (Yu et al. 2016, Mao et al. 2016) as ReCLIP distributes them; a `ReferenceSet`.

    A file of a split holds lines of {"image_id", "file_name", "ann_id", "anns": [{"id", "bbox": [x, y, width, height]}, ...],
    "sentences": [{"raw"}, ...]}; "anns" are all annotated boxes of the image. A file name of COCO carries the number of the
    annotation at its end, COCO_train2014_000000000001_11.jpg, which the image does not.

    The published refs(unc).p are pickles, which run what they hold when they are read, and are refused.

    Args:
        path: the folder of the test, local or behind a URL.
        splits: by subset of the test, its file below the folder.
        images: below it, the folder of images (COCO's train2014), or an absolute one.
        proposals: below it, a JSON file with the boxes of a detector, {IMAGE_ID: [{"box": [x, y, width, height]}, ...]} or a list
            of {"image_id", "box"}; None chooses among the annotated ones. An image without a box is one.
        name: for logs and metrics.
        missing: what to do where an image is not there: "error" refuses the test, "skip" leaves out the sentences about it.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing images.
    """

    def __init__(
        self,
        path: str,
        splits: dict[str, str],
        images: str = "train2014",
        proposals: str | None = None,
        name: str = "refcoco",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        for file in [*splits.values(), *([] if proposals is None else [proposals])]:
            if file.lower().endswith(PICKLES):
                raise DataError(f"{without_secrets(file)}: pickles can run anything and are not read; take ReCLIP's JSON lines instead")
        self.name = name
        self.images = FilePictures(name, below(path, images), storage)
        detected = None if proposals is None else _detected(below(path, proposals), storage)
        found = [
            reference
            for subset, file in splits.items()
            for row in json_lines(storage, below(path, file))
            for reference in self._about(row, subset, detected)
        ]
        if not found:
            raise DataError(f"{without_secrets(path)}: no sentence in {', '.join(splits.values())}")
        self.references: Sequence[Reference] = self._complete(found, missing)

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        return digest(self.images.fingerprint(), [(one.key, one.image, one.sentence, one.regions, one.gold) for one in self.references])

    def _about(self, row: Row, subset: str, detected: Mapping[str, Sequence[Region]] | None) -> Iterator[Reference]:
        given = row.cells.get("ann_id")
        meant = {str(number) for number in (given if isinstance(given, list) else [row.name("ann_id")])}
        annotated = row.rows("anns")
        boxes = [_region(one, "bbox") for one in annotated]
        gold = [box for one, box in zip(annotated, boxes, strict=True) if one.name("id") in meant]
        if not gold:
            raise DataError(f"{row.place}: no box in 'anns' has the id of 'ann_id', {', '.join(sorted(meant))}")
        image = self.images.file(_file(row.text("file_name"), meant))
        choice = boxes if detected is None else detected.get(row.name("image_id")) or [self._whole(image)]
        for place, sentence in enumerate(row.rows("sentences")):
            key = f"{row.name('image_id')}/{'+'.join(sorted(meant))}/{place}"
            yield Reference(key, image, sentence.text("raw"), tuple(dict.fromkeys(choice)), tuple(gold), subset)

    def _whole(self, image: int) -> Region:
        """All of an image, as ReCLIP has it; one that is not there is left out later."""
        if not self.images.has(image):
            return Region(0, 0, 1, 1)
        return Region(0, 0, *stored_size(self.images[image].image))

    def _complete(self, references: list[Reference], missing: Missing) -> list[Reference]:
        """The references whose images are there."""
        gone = set(self.images.missing())
        kept = [one for one in references if one.image not in gone]
        if not gone:
            return kept
        what = f"{self.name}: {len(gone)} of {len(self.images)} images are not in {self.images.place}, such as {self.images.key(min(gone))}"
        if not kept or missing == "error":
            raise DataError(f"{what}; " + ("is the path right?" if not kept else "complete the folder, or set missing to skip"))
        logger.warning("%s; %d of %d sentences are left", what, len(kept), len(references))
        return kept


def _file(name: str, meant: set[str]) -> str:
    """The name of the image: that of COCO ends in the number of the annotation."""
    stem, suffix = posixpath.splitext(name)
    head, _, tail = stem.rpartition("_")
    return head + suffix if head and tail in meant else name


def _region(row: Row, key: str) -> Region:
    sides = row.values(key)
    if len(sides) != 4:
        raise row.error(key, "[x, y, width, height]", sides)
    numbered = Row(row.place, dict(zip(("x", "y", "width", "height"), sides, strict=True)))
    region = Region(*(numbered.number(side) for side in ("x", "y", "width", "height")))
    if region.width <= 0 or region.height <= 0:
        raise row.error(key, "a box with a width and a height above 0", sides)
    return region


def _detected(file: str, storage: Storage) -> dict[str, list[Region]]:
    """Boxes by image."""
    document, place = load_json(storage, file), without_secrets(file)
    found: dict[str, list[Region]] = defaultdict(list)
    if isinstance(document, Mapping):
        listed = [(image, one) for image, boxes in document.items() for one in (boxes if isinstance(boxes, list) else [boxes])]
    elif isinstance(document, list):
        listed = [(None, one) for one in document]
    else:
        raise DataError(f"{place}: expected boxes by image, got {type(document).__name__}")
    for number, (image, one) in enumerate(listed):
        if not isinstance(one, Mapping):
            raise DataError(f"{place}, box {number}: expected an object, got {type(one).__name__}")
        row = Row(f"{place}, box {number}", one)
        found[row.name("image_id") if image is None else image].append(_region(row, "box"))
    return dict(found)
