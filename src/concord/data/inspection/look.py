"""Reading every example once and noting down numbers: a row per image, a row per caption, and what cannot be used."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from concord.access import guarding, is_guarded
from concord.data.filters.limits import normalise
from concord.data.medical.parts import modalities_in
from concord.data.medical.text.alarms import alarms_in
from concord.data.mixture import Mixture
from concord.data.parallel import in_chunks
from concord.data.source import NO_CAPTION, BadSample, Source
from concord.data.wrapper import Wrapper
from concord.errors import DataError
from concord.images import Preprocess, decode
from concord.images.decoding import FORMATS
from concord.tokenizers import Tokenizer
from concord.types import Pair, RawImage, role_of

if TYPE_CHECKING:  # imported where it is used: it takes long
    import pandas as pd

IMAGE_COLUMNS = {"source": "category", "format": "category", "width": "int32", "height": "int32", "bytes": "int64", "digest": "uint64"}
CAPTION_COLUMNS = {
    "index": "int64",
    "source": "category",
    "role": "category",
    "characters": "int32",
    "words": "int32",
    "tokens": "int32",
    "digest": "uint64",
    "words_digest": "uint64",
}
PAINTED = "painted"
"""Format of images that are in no file."""


@dataclass(frozen=True)
class Bad:
    """An example that cannot be used."""

    source: str
    cause: str
    key: str
    detail: str


@dataclass
class Look:
    """What was seen in some examples. It takes about 60 bytes per example.

    Attributes:
        images: a row per usable example; width and height in pixels, upright; digests are hashes of the bytes.
        captions: a row per caption of these; tokens with start and end, before anything is cut; the digest of the words is the
            same for captions that differ in capitals, punctuation and spaces alone.
        alarms: of medical data, in how many captions there is something that may say who a patient is, by kind.
        fields: how many examples hold a field of metadata.
        values: of each field the first value met, as text; empty for guarded data.
    """

    images: pd.DataFrame
    captions: pd.DataFrame
    bad: list[Bad] = field(default_factory=list)
    fields: Counter[str] = field(default_factory=Counter)
    values: dict[str, str] = field(default_factory=dict)
    alarms: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> int:
        """That were looked at."""
        return len(self.images) + len(self.bad)


class Looker:
    """Looks at examples of a source; what it returns of some can be joined with what it returns of others.

    Args:
        source: what is looked at.
        tokenizer: counts tokens.
        preprocess: gives the limit of pixels.

    Attributes:
        medical: whether any of it is medical, so that captions are searched for what may say who a patient is.
    """

    def __init__(self, source: Source, tokenizer: Tokenizer, preprocess: Preprocess) -> None:
        self.source = source
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.medical = bool(modalities_in(source))

    def __call__(self, indices: Sequence[int]) -> Look:
        import pandas as pd  # slow to import

        images: list[tuple[Any, ...]] = []
        captions: list[tuple[Any, ...]] = []
        look = Look(pd.DataFrame(), pd.DataFrame())
        for index in indices:
            try:
                with guarding(self.source):
                    pair = self._read(index)
                    images.append((pair.source, *self._image(pair)))
                    captions += self._captions(index, pair)
            except BadSample as bad:
                told = bad.of(self.source)
                look.bad.append(Bad(_origin(self.source, index), told.cause, told.key, told.detail))
                continue
            if self.medical:
                look.alarms.update(alarms_in(pair.captions))
            _note_fields(look, pair.metadata, not is_guarded(self.source))
        look.images = pd.DataFrame(images, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS)
        look.captions = pd.DataFrame(captions, columns=list(CAPTION_COLUMNS)).astype(CAPTION_COLUMNS)
        return look

    def _read(self, index: int) -> Pair:
        pair = self.source[index]
        if not pair.captions:
            raise BadSample(NO_CAPTION, pair.key)
        return pair

    def _image(self, pair: Pair) -> tuple[str, int, int, int, int]:
        """Format, width, height, bytes and digest."""
        try:
            image = pair.image.read_bytes() if isinstance(pair.image, Path) else pair.image
            width, height = decode(image, self.preprocess.max_pixels, self.preprocess.background).size
        except (DataError, OSError) as error:
            raise BadSample("image cannot be decoded", pair.key, str(error)) from None
        content = image if isinstance(image, bytes) else _pixels(image)
        return _format(image), width, height, len(content), hash_of(content)

    def _captions(self, index: int, pair: Pair) -> list[tuple[Any, ...]]:
        lengths = self.tokenizer.lengths(pair.captions)
        return [
            (index, pair.source, role_of(text), len(text), len(text.split()), tokens, *map(hash_of, map(encoded, (text, normalise(text)))))
            for text, tokens in zip(pair.captions, lengths, strict=True)
        ]


def look_through(looker: Looker, indices: Sequence[int], workers: int, report: Callable[[int], None]) -> Look:
    """Look at these examples.

    Args:
        looker: what looks.
        indices: of the examples.
        workers: reading processes; the result does not depend on it.
        report: is told how many more examples are done.

    Raises:
        DataError: when the source fails as a whole.
    """
    looks = []
    for count, look in in_chunks(looker, indices, workers):
        looks.append(look)
        report(count)
    return _joined(looks)


def hash_of(content: bytes) -> int:
    """64 bits: among a hundred million different contents, two share them with a chance of 3 in 10,000."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _joined(looks: Sequence[Look]) -> Look:
    whole = Look(_stacked([look.images for look in looks], IMAGE_COLUMNS), _stacked([look.captions for look in looks], CAPTION_COLUMNS))
    for look in looks:
        whole.bad += look.bad
        whole.fields += look.fields
        whole.alarms += look.alarms
        whole.values = {**look.values, **whole.values}
    return whole


def _stacked(tables: Sequence[pd.DataFrame], columns: Mapping[str, str]) -> pd.DataFrame:
    """Tables one below the other; categories that differ between them are united."""
    import pandas as pd  # slow to import

    if not tables:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    joined = {
        name: pd.Categorical(np.concatenate([np.asarray(table[name], dtype=object) for table in tables]))
        if kind == "category"
        else np.concatenate([table[name].to_numpy() for table in tables])
        for name, kind in columns.items()
    }
    return pd.DataFrame(joined)


def _note_fields(look: Look, metadata: Mapping[str, Any], shown: bool) -> None:
    for name, value in metadata.items():
        look.fields[str(name)] += 1
        if shown:
            look.values.setdefault(str(name), str(value)[:120])


def _origin(source: Source, index: int) -> str:
    """Which source of a mixture an example stands in; the source's name where it is none."""
    while isinstance(source, Wrapper):
        part, place = source.place(index)
        if isinstance(source, Mixture):
            return next(name for name, candidate in source.sources.items() if candidate is part)
        source, index = part, place
    return source.name


def _format(image: RawImage) -> str:
    if not isinstance(image, bytes):
        return PAINTED
    with Image.open(io.BytesIO(image), formats=FORMATS) as picture:
        return str(picture.format)


def _pixels(image: RawImage) -> bytes:
    return np.asarray(image).tobytes()
