"""Retrieval tests whose captions stand in lists: one line, or one object, per caption or per image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from concord.data.benchmarks.retrieval.captioned import Captioned, CaptionedImages, grouped, lines_of
from concord.data.benchmarks.rows import Row, json_lines, json_list
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

SUFFIX = ".jpg,"


class NameCommaCaption(CaptionedImages):
    """CLIP_benchmark's lists of Flickr30k, Flickr8k and Flickr30k-CN: a heading, then NAME.jpg,CAPTION, one line per caption.

    The caption begins after the first ".jpg," and may hold commas itself.

    Args:
        path: the folder of the data set, local or behind a URL.
        captions: the file below it.
        images: the folder of images below it; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and when none of the images is there.
    """

    def __init__(self, path: str, captions: str, images: str = "images", name: str = "flickr30k", storage: Storage | None = None) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, captions)
        super().__init__(grouped(_commas(storage, file)), below(path, images), without_secrets(file), name, storage)


class CocoCN(CaptionedImages):
    """COCO-CN (Li et al. 2019): names of a split, and lines "NAME#n<TAB>CAPTION"; images in COCO's train2014 and val2014.

    Args:
        path: the folder of the data set, local or behind a URL.
        split: "train", "val" or "test".
        captions: the file below it; "imageid.human-written-caption.txt" gives the test's 1,053 written captions,
            "imageid.manually-translated-caption.txt" its translated ones.
        images: the folder below it that holds train2014 and val2014; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and an image without a caption.
    """

    def __init__(
        self,
        path: str,
        split: str = "test",
        captions: str = "imageid.human-written-caption.txt",
        images: str = "",
        name: str = "coco_cn",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, captions)
        texts: dict[str, list[str]] = {}
        for number, line in enumerate(lines_of(storage, file), start=1):
            named, tab, caption = line.partition("\t")
            if not tab:
                raise DataError(f"{without_secrets(file)}, line {number}: expected NAME#n, a tab and the caption")
            texts.setdefault(named.partition("#")[0], []).append(caption)
        chosen = [line.strip() for line in lines_of(storage, below(path, f"coco-cn_{split}.txt"))]
        entries = (Captioned(_coco_file(image, file), tuple(texts.get(image, ()))) for image in chosen)
        super().__init__(entries, below(path, images), without_secrets(file), name, storage)


class DescribedImages(CaptionedImages):
    """One JSON object per line with an image and its description (DOCCI, IIW).

    Args:
        path: the folder of the data set, local or behind a URL.
        descriptions: the file below it.
        image: the key of the image's name.
        caption: the key of the description.
        where: keys with the values that an object must have, such as {split: test}; others are left out.
        images: the folder of images below it; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and when nothing is left.
    """

    def __init__(
        self,
        path: str,
        descriptions: str = "docci_descriptions.jsonlines",
        image: str = "image_file",
        caption: str = "description",
        where: dict[str, str] | None = None,
        images: str = "images",
        name: str = "docci",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, descriptions)
        wanted = {} if where is None else where
        entries = (
            Captioned(entry.text(image), (entry.text(caption),))
            for entry in json_lines(storage, file)
            if all(entry.cells.get(key) == expected for key, expected in wanted.items())
        )
        super().__init__(entries, below(path, images), without_secrets(file), name, storage)


class CaptionFiles(CaptionedImages):
    """image/NAME.jpg and caption/NAME.txt (Urban1k, Zhang et al. 2024): the first line of each text is the caption.

    Args:
        path: the folder of the data set, local.
        images, captions: the two folders below it.
        name: for logs and metrics.
        storage: how files are read.

    Raises:
        DataError: for a folder that is missing, and a caption without an image.
    """

    def __init__(
        self, path: str, images: str = "image", captions: str = "caption", name: str = "urban1k", storage: Storage | None = None
    ) -> None:
        storage = storage if storage is not None else Storage()
        folder = below(path, captions)
        files = sorted(storage.find(folder, ".txt"), key=_natural)
        entries = (Captioned(f"{_stem(file)}.jpg", (next(iter(lines_of(storage, file)), ""),)) for file in files)
        super().__init__(entries, below(path, images), without_secrets(folder), name, storage)


class Conversations(CaptionedImages):
    """ShareGPT4V's JSON (Chen et al. 2023): a list of {"image", "conversations"}, whose second turn is the caption.

    The first 1,000 entries are the test of Long-CLIP (Zhang et al. 2024); the others are its training set.

    Args:
        path: the folder of the data set, local or behind a URL.
        conversations: the file below it.
        first: how many entries from the beginning make the test.
        images: the folder below it that the images' names start from; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form.
        ValueError: for `first` below 1.
    """

    def __init__(
        self,
        path: str,
        conversations: str = "share-captioner_coco_lcs_sam_1246k_1107.json",
        first: int = 1000,
        images: str = "",
        name: str = "sharegpt4v_1k",
        storage: Storage | None = None,
    ) -> None:
        if first < 1:
            raise ValueError(f"first must be at least 1, got {first}")
        storage = storage if storage is not None else Storage()
        file = below(path, conversations)
        entries = (_conversation(entry) for entry in islice(json_list(storage, file), first))
        super().__init__(entries, below(path, images), without_secrets(file), name, storage)


def _commas(storage: Storage, file: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines_of(storage, file)[1:], start=2):
        name, comma, caption = line.strip().partition(SUFFIX)
        if not line.strip():
            continue
        if not comma:
            raise DataError(f"{without_secrets(file)}, line {number}: expected NAME.jpg,CAPTION")
        yield f"{name}.jpg", caption


def _coco_file(image: str, file: str) -> str:
    """COCO_train2014_000000000036 lies in train2014."""
    parts = image.split("_")
    if len(parts) != 3:
        raise DataError(f"{without_secrets(file)}: {image!r} is no name of a COCO image, such as COCO_train2014_000000000036")
    return f"{parts[1]}/{image}.jpg"


def _conversation(entry: Row) -> Captioned:
    turns = entry.rows("conversations")
    if len(turns) < 2:
        raise DataError(f"{entry.place}: a conversation needs two turns, the second with the caption")
    return Captioned(entry.text("image"), (" ".join(turns[1].text("value").split("\n")),))


def _stem(file: str) -> str:
    return file.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _natural(file: str) -> tuple[int, int, str]:
    """Numbers in their order, before names."""
    stem = _stem(file)
    return (0, int(stem), "") if stem.isascii() and stem.isdigit() else (1, 0, stem)
