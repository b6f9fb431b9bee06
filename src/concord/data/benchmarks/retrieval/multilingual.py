"""Retrieval tests in several languages. The role of a caption is its language."""

from __future__ import annotations

from collections.abc import Sequence

from concord.data.benchmarks.retrieval.captioned import Captioned, CaptionedImages, in_language, lines_of
from concord.data.benchmarks.rows import Row, json_lines
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError, nearest

XM3600_LANGUAGES = (
    *("ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fil", "fr", "he", "hi", "hr", "hu", "id", "it"),
    *("ja", "ko", "mi", "nl", "no", "pl", "pt", "quz", "ro", "ru", "sv", "sw", "te", "th", "tr", "uk", "vi", "zh"),
)


class Crossmodal3600(CaptionedImages):
    """captions.jsonl beside images/KEY.jpg (Thapliyal et al. 2022): 3,600 photographs, about two captions in each of 36 languages.

    Args:
        path: the folder of the data set, local or behind a URL.
        languages: which ones; None for all 36.
        first_only: the first caption of each language, as CLIP_benchmark has it, instead of all.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and an image without a caption in one of the languages.
        ValueError: for a language that it does not have.
    """

    def __init__(
        self,
        path: str,
        languages: list[str] | None = None,
        first_only: bool = False,
        name: str = "xm3600",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        chosen = _known(XM3600_LANGUAGES if languages is None else languages, XM3600_LANGUAGES)
        file = below(path, "captions.jsonl")
        entries = (_crossmodal(entry, chosen, first_only) for entry in json_lines(storage, file))
        super().__init__(entries, below(path, "images"), without_secrets(file), name, storage)


class LineAligned(CaptionedImages):
    """A file of image names and one file of captions per language, line by line (XTD10, Multi30k).

    Args:
        path: the folder of the data set, local or behind a URL.
        captions: the files of captions below it, by language.
        names: the file of image names below it, one per line.
        images: the folder of images below it; "" is the folder itself.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing, and for files of different length.
        ValueError: for no file of captions.
    """

    def __init__(
        self, path: str, captions: dict[str, str], names: str, images: str = "images", name: str = "xtd10", storage: Storage | None = None
    ) -> None:
        if not captions:
            raise ValueError("captions must name at least one file, got none")
        storage = storage if storage is not None else Storage()
        file = below(path, names)
        listed = [line.strip() for line in lines_of(storage, file)]
        columns = {language: _aligned(storage, below(path, part), len(listed), names) for language, part in captions.items()}
        entries = (
            Captioned(image, tuple(text for language, texts in columns.items() for text in in_language([texts[row]], language)))
            for row, image in enumerate(listed)
        )
        super().__init__(entries, below(path, images), without_secrets(file), name, storage)


def _known(languages: Sequence[str], valid: Sequence[str]) -> tuple[str, ...]:
    for language in languages:
        if language not in valid:
            raise ValueError(f"languages: there is no {language!r}; {nearest(language, valid)}")
    if not languages:
        raise ValueError("languages must hold at least one language, got none")
    return tuple(languages)


def _crossmodal(entry: Row, languages: Sequence[str], first_only: bool) -> Captioned:
    key = entry.text("image/key")
    captions: list[str] = []
    for language in languages:
        texts = [text for text in entry.inner(language).values("caption") if isinstance(text, str)]
        if not texts:
            raise DataError(f"{entry.place}: image {key} has no caption in {language}; leave {language} out of languages")
        captions += in_language(texts[:1] if first_only else texts, language)
    return Captioned(f"{key}.jpg", tuple(captions), key)


def _aligned(storage: Storage, file: str, count: int, names: str) -> list[str]:
    texts = lines_of(storage, file)
    if len(texts) != count:
        raise DataError(f"{without_secrets(file)} has {len(texts)} lines and {names} {count}; they must belong together line by line")
    return texts
