"""Wikimedia's edition of WIT: one row per image, with what the Wikipedias say of it in many languages."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from concord.data.readers.columns import ColumnSource
from concord.data.readers.parquet import MEGABYTE
from concord.data.readers.row_groups import ParquetRows
from concord.data.source import digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.data.wrapper import Selection
from concord.errors import DataError, nearest

logger = logging.getLogger(__name__)

FEATURES = "wit_features"
"""The column with one list per field; the place in the lists stands for a page that shows the image."""

LANGUAGE = "language"

WitText = Literal[
    "caption_reference_description",
    "caption_alt_text_description",
    "caption_title_and_reference_description",
    "context_page_description",
    "context_section_description",
    "page_title",
]


class WitBase(Selection):
    """The data set wikimedia/wit_base: Parquet files with the images inside. Every caption has its language as role.

    The key of an example is the address of its image. Images without such a text in these languages are left out; to find
    them the texts are read once at the start, without the images.

    Args:
        path: a .parquet file or URL, a folder of them, a glob, a brace pattern, or a list of these.
        texts: which texts of a page are captions, one kind or several: the reference description stands under the image, the alt
            text in place of it, and the context descriptions are paragraphs around it.
        languages: Wikipedia's codes of the languages to keep, such as [en, de]; None keeps all.
        name: for logs and metrics.
        cache: megabytes of decoded row groups that each reading process keeps; see `Parquet`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: as `Parquet`, for files of another form, and when no image has such a text in these languages.
        ValueError: for a negative cache, and for empty lists.
    """

    def __init__(
        self,
        path: str | list[str],
        texts: WitText | list[WitText] = "caption_reference_description",
        languages: list[str] | None = None,
        name: str = "wit_base",
        cache: int = 256,
        storage: Storage | None = None,
    ) -> None:
        if cache < 0:
            raise ValueError(f"cache must be at least 0, got {cache}")
        if not texts or languages == []:
            raise ValueError(f"{'languages' if texts else 'texts'} must not be empty")
        storage = storage if storage is not None else Storage()
        fields = [texts] if isinstance(texts, str) else texts
        rows = _PageRows(storage.find(path, ".parquet"), storage, cache * MEGABYTE, fields, languages)
        indices = np.flatnonzero(np.concatenate(list(rows.captioned())))
        if not len(indices):
            raise DataError(f"{rows.place}: none of {len(rows)} images has a {' or '.join(fields)}" + rows.in_languages())
        if len(indices) < len(rows):
            logger.info("%s: %d of %d images have no such text%s", name, len(rows) - len(indices), len(rows), rows.in_languages())
        root = posixpath.dirname(rows.files[0]) or "."
        super().__init__(ColumnSource(rows, name, "image", FEATURES, "image_url", root, storage), indices)


class _PageRows(ParquetRows):
    """Rows whose features are a list of {text, role}, page by page, in place of one list per field."""

    def __init__(self, files: Sequence[str], storage: Storage, limit: int, texts: Sequence[str], languages: Sequence[str] | None) -> None:
        super().__init__(files, storage, limit)
        self.texts = list(texts)
        self.languages = sorted(set(languages)) if languages is not None else None

    def fingerprint(self) -> str:
        return digest(super().fingerprint(), self.texts, self.languages)

    def read(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        cells = super().read(index, columns)
        if FEATURES in cells:
            cells[FEATURES] = list(self._captions(cells[FEATURES]))
        return cells

    def captioned(self) -> Iterator[np.ndarray]:
        """Of each row group, which rows have a text in one of the languages, bool [rows].

        Raises:
            DataError: for files of another form.
        """
        fields = [LANGUAGE, *self.texts]
        for file, group in self._groups:
            place = without_secrets(self.files[file])
            _check_features(self._open(file).schema, fields, place)
            try:
                table = self._open(file).read(group, [f"{FEATURES}.{field}" for field in fields])
            except (pa.ArrowException, OSError):
                raise DataError(f"{place} is damaged; download it again or leave it out of path") from None
            yield self._having_text(table.column(FEATURES).combine_chunks(), place)

    def in_languages(self) -> str:
        return f" in {', '.join(self.languages)}" if self.languages is not None else ""

    def _having_text(self, features: pa.StructArray, path: str) -> np.ndarray:
        found = np.zeros(len(features), dtype=bool)
        languages = features.field(LANGUAGE)
        for name in self.texts:
            texts = features.field(name)
            if not pc.list_value_length(texts).equals(pc.list_value_length(languages)):
                raise DataError(f"{path}: {FEATURES}.{name} and {FEATURES}.{LANGUAGE} differ in length")
            good = pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(texts.flatten())), 0), False)
            if self.languages is not None:
                good = pc.and_(good, pc.is_in(languages.flatten(), pa.array(self.languages, languages.type.value_type)))
            found[pc.list_parent_indices(texts).to_numpy()[good.to_numpy(zero_copy_only=False)]] = True
        return found

    def _captions(self, features: Any) -> Iterator[dict[str, str]]:
        for page, language in enumerate((features[LANGUAGE] or []) if isinstance(features, Mapping) else []):
            if self.languages is None or language in self.languages:
                found = (features[name][page] for name in self.texts)
                yield from ({"text": text, "role": language} for text in found if text)


def _check_features(schema: pa.Schema, fields: Sequence[str], path: str) -> None:
    """Refuse a file that has not the fields as lists of text."""
    if FEATURES not in schema.names or not pa.types.is_struct(schema.field(FEATURES).type):
        raise DataError(f"{path}: no column {FEATURES!r} with one list per field; is it wikimedia/wit_base?")
    kinds = {field.name: field.type for field in schema.field(FEATURES).type}
    for name in fields:
        if name not in kinds:
            raise DataError(f"{path}: no field {name!r} in {FEATURES}; {nearest(name, kinds)}")
        if not (pa.types.is_list(kinds[name]) and pa.types.is_string(kinds[name].value_type)):
            raise DataError(f"{path}: {FEATURES}.{name} must be lists of text, got {kinds[name]}")
