"""Where the captions of a stored example stand: in its text file, or at a path in its JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from concord.data.source import BadSample
from concord.errors import ConfigError, nearest

TEXT = "txt"
JSON_PREFIX = "json:"


class CaptionFields:
    """Reads captions from the files that stand beside an image.

    Args:
        fields: "txt" for the whole `.txt` file, or "json:PATH" for a value in the `.json` file, where PATH joins keys
            and list positions with dots ("json:names.en", "json:captions.0"). A list of strings gives several captions.
            With several fields an example has the captions of all fields that it holds, in this order.

    Raises:
        ConfigError: for a field written otherwise.
    """

    def __init__(self, fields: str | Sequence[str]) -> None:
        self.fields = [fields] if isinstance(fields, str) else list(fields)
        if not self.fields:
            raise ConfigError("caption is empty; give txt or json:PATH")
        for field in self.fields:
            if field != TEXT and (not field.startswith(JSON_PREFIX) or field == JSON_PREFIX):
                raise ConfigError(f"caption: {field!r} is neither txt nor json:PATH, such as json:caption")

    @property
    def needs_json(self) -> bool:
        return any(field != TEXT for field in self.fields)

    def read(self, key: str, text: bytes | None, document: Any) -> tuple[str, ...]:
        """The captions of one example, without surrounding white space and without empty ones.

        Args:
            key: the example's name.
            text: bytes of its text file, or None.
            document: its parsed JSON, or None.

        Raises:
            BadSample: when there is none, or the text is not UTF-8.
        """
        found = [text_of(key, text) if field == TEXT else at_path(document, field.removeprefix(JSON_PREFIX)) for field in self.fields]
        captions = tuple(caption.strip() for value in found for caption in strings_of(value) if caption.strip())
        if not captions:
            raise BadSample("no caption", key)
        return captions

    def advice(self, document: Any) -> str:
        """What to write instead, given one example's JSON."""
        paths = [JSON_PREFIX + path for path in string_paths(document)]
        if not paths:
            return "is there a .txt or .json per image?"
        return f"set caption to txt or to a path in the JSON; {nearest(self.fields[0], paths)}"


def text_of(key: str, text: bytes | None) -> str | None:
    """A text file's content; a byte-order mark is dropped."""
    if text is None:
        return None
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSample("caption is not UTF-8", key) from None


def parse_json(key: str, content: bytes) -> Any:
    """Parsed JSON of one example; raises `BadSample` where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadSample("JSON cannot be read", key) from None


def at_path(document: Any, path: str) -> Any:
    """The value at dotted keys and list positions; None where the path leads nowhere."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def strings_of(value: Any) -> list[str]:
    """A string as one caption, a list's strings as several, anything else as none."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def string_paths(document: Any, prefix: str = "") -> Iterator[str]:
    """Paths of a JSON object that could hold captions: strings, and lists of them."""
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if strings_of(value):
            yield f"{prefix}{key}"
        else:
            yield from string_paths(value, f"{prefix}{key}.")
