"""Annotation files in JSON: read whole, and refused in one line where they are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError, nearest

T = TypeVar("T")


def load_json(storage: Storage, file: str) -> Any:
    """What a JSON file holds.

    Raises:
        DataError: for a file that is not there, or is not JSON (such as half a download).
    """
    content = storage.read(file)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise DataError(f"{without_secrets(file)} is not JSON: {what}; is it complete?") from None


def load_document(storage: Storage, file: str) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        DataError: for a file that is not there, is not JSON, or holds no object.
    """
    document = load_json(storage, file)
    if not isinstance(document, dict):
        raise DataError(f"{without_secrets(file)}: expected a JSON object, got {_kind(document)}")
    return document


def entries(document: dict[str, Any], key: str, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list in the document, each with its place for messages.

    Args:
        document: a JSON object.
        key: of the list.
        place: the file, or where in it the object stands.

    Raises:
        DataError: when there is no such list, and at an entry that is not an object.
    """
    if key not in document:
        raise DataError(f"{place}: no {key!r} in it; {nearest(key, map(str, document))}")
    listed = document[key]
    if not isinstance(listed, list):
        raise DataError(f"{place}: {key!r} must be a list, got {_kind(listed)}")
    for index, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise DataError(f"{place}: {key}[{index}] must be an object, got {_kind(entry)}")
        yield f"{place}: {key}[{index}]", entry


def value(entry: dict[str, Any], key: str, kind: type[T], place: str) -> T:
    """A value of an entry.

    Raises:
        DataError: when it is missing or of another kind.
    """
    found = entry.get(key)
    if not isinstance(found, kind):
        what = f"must be {_NAMES[kind]}, got {_kind(found)}" if key in entry else f"is missing; {nearest(key, map(str, entry))}"
        raise DataError(f"{place}: {key!r} {what}")
    return found


_NAMES: dict[type, str] = {str: "text", list: "a list", dict: "an object", int: "a number", float: "a number", bool: "true or false"}


def _kind(found: object) -> str:
    return "null" if found is None else _NAMES[type(found)]
