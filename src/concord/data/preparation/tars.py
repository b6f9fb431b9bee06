"""Records as a WebDataset shard."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable
from typing import IO

from concord.data.preparation.record import Record, utf8
from concord.errors import DataError

SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
)
"""How images begin that are not called `.jpg`. Everything else is, as img2dataset does; readers go by the content."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def write_shard(file: IO[bytes], records: Iterable[Record]) -> None:
    """KEY.jpg (or .png, .webp), KEY.txt with the first caption, and KEY.json with all captions, the source and the metadata.

    Keys that would lead out of the folder in which a shard is unpacked are changed (`member_name`) and stand unchanged in
    the JSON as "key". Keys that repeat in a shard would make one example of several, so they are refused. A key keeps its
    dots: concord splits a name at its last one, WebDataset's own reader at its first.

    Raises:
        DataError: when two records have the same name.
    """
    written: set[str] = set()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for record in records:
            name = member_name(record.key)
            if name in written:
                raise DataError(f"the key {record.key!r} repeats in one shard; task.format=parquet keeps keys that repeat")
            written.add(name)
            _add(tar, f"{name}.{_suffix(record.image)}", record.image)
            _add(tar, f"{name}.txt", record.captions[0][0].encode())
            _add(tar, f"{name}.json", _document(record, name).encode())


def member_name(key: str) -> str:
    """A key as a path that stays where it is unpacked, is not hidden, and holds no control characters."""
    parts = [part for part in _CONTROL.sub("_", key).split("/") if part not in ("", ".")]
    parts = ["_" if part == ".." else part for part in parts] or ["_"]
    if parts[-1].startswith("._"):  # taken for a resource fork of macOS otherwise
        parts[-1] = "_" + parts[-1]
    return "/".join(parts)


def _document(record: Record, name: str) -> str:
    captions = [{"text": text, "role": role} for text, role in record.captions]
    document = {"captions": captions, "source": record.source, "metadata": json.loads(record.metadata)}
    if name != record.key:
        document["key"] = record.key
    return utf8(json.dumps(document, ensure_ascii=False))


def _suffix(image: bytes) -> str:
    return next((suffix for signature, suffix in SIGNATURES if signature.match(image)), "jpg")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """A member without owner or time, so that the same records give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
