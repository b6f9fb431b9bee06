"""The token files in which Flickr8k and Flickr30k came originally."""

from __future__ import annotations

from collections.abc import Iterator

from concord.data.readers.annotated import AnnotatedImages, Annotation, below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError


class FlickrTokens(AnnotatedImages):
    """One line per caption: the image's name, "#" and the caption's number, a tab, the caption.

    Flickr8k.token.txt and Flickr30k's results_20130124.token have this form. An example is an image with all its captions,
    in the order of the file; its key is the image's name.

    Args:
        path: the folder of the data set, local or behind a URL.
        tokens: the file of captions below it.
        images: the folder of images below it; "" is the folder itself.
        chosen: a file below it with one image name per line, such as Flickr_8k.trainImages.txt; None takes all images.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and when no image has a caption or none is in the folder.
    """

    def __init__(
        self,
        path: str,
        tokens: str = "Flickr8k.token.txt",
        images: str = "Flicker8k_Dataset",
        chosen: str | None = None,
        name: str = "flickr8k",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, tokens)
        captions = _by_image(storage, file)
        files = captions if chosen is None else dict.fromkeys(line.strip() for _, line in _lines(storage, below(path, chosen)))
        found = (Annotation(image, captions.get(image, [])) for image in files)
        super().__init__(found, below(path, images), file, name, storage)


def _by_image(storage: Storage, file: str) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for number, line in _lines(storage, file):
        label, tab, caption = line.partition("\t")
        name, mark, position = label.rpartition("#")
        if not (tab and mark and name and position.isdecimal()):
            raise DataError(f"{without_secrets(file)}, line {number}: expected NAME.jpg#NUMBER, a tab and a caption, got {line[:60]!r}")
        captions.setdefault(name, []).append(caption)
    return captions


def _lines(storage: Storage, file: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers. Only a line feed ends a line: captions hold other separators."""
    try:
        text = storage.read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{without_secrets(file)} is not UTF-8 text (byte {error.start})") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")
