"""Where the captions of a stored example stand, and what counts as a caption."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from concord.data.readers.json_keys import values_under
from concord.data.source import NO_CAPTION, BadSample
from concord.errors import ConfigError, nearest
from concord.types import Caption

Kind = Literal["txt", "json", "parquet"]
FieldNames = str | list[str] | dict[str, str | list[str]]
"""One place of captions, several, or places by the role that their captions have."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_HALF = re.compile(r"[\ud800-\udfff]")
_PARTS = re.compile(r"(?P<separator>.+?)(?:\[(?P<start>-?\d+)?:(?P<stop>-?\d+)?\])?", re.DOTALL)
_NOT_UTF8 = "caption is not UTF-8"
_DEEPEST = 8  # levels of a JSON object that are searched for captions


class Field(NamedTuple):
    """One place where captions stand.

    Attributes:
        kind: the text file, the JSON file, or the row of a sidecar Parquet.
        path: in the JSON, dotted keys and list positions; in the row, the column and dotted places inside its cells; in the text
            what separates captions and which of them are meant, "" for all of it as one.
        role: of its captions; "" where nothing was said.
    """

    kind: Kind
    path: str
    role: str

    @property
    def name(self) -> str:
        """As the configuration writes it."""
        return f"{self.kind}:{self.path}" if self.path else self.kind


class CaptionFields:
    """Reads captions from what stands beside an image.

    Args:
        fields: "txt" for the whole `.txt` file; "txt:SEPARATOR" for the captions that stand in it between separators, or
            "txt:SEPARATOR[START:STOP]" for some of them, as Python slices lists ("txt:_openi_[1:4]"); "json:PATH" for a value
            in the `.json` file, where PATH joins keys and list positions with dots ("json:names.en", "json:captions.0"); or
            "parquet:COLUMN" for a cell of a Parquet file beside the shard. See `captions_of` for the values that hold captions.
            With several fields an example has the captions of all fields that it holds, in this order. A mapping gives the
            captions roles: {original: txt, synthetic: json:recaption, long: [json:long, json:dense]} or, by language,
            {en: json:names.en, de: json:names.de}.
        absent: texts that stand where there is no caption, such as "No caption found".

    Raises:
        ConfigError: for a field written otherwise.
    """

    def __init__(self, fields: FieldNames, absent: Sequence[str] = ()) -> None:
        self.absent = frozenset(absent)
        self.fields = [parse_field(name, role) for role, name in by_role(fields)]
        if not self.fields:
            raise ConfigError("caption is empty; give txt, json:PATH or parquet:COLUMN")

    @property
    def needs_text(self) -> bool:
        return any(field.kind == "txt" for field in self.fields)

    @property
    def needs_json(self) -> bool:
        return any(field.kind == "json" for field in self.fields)

    @property
    def json_keys(self) -> frozenset[str]:
        """What a JSON object must keep for its captions to be found."""
        paths = [field.path for field in self.fields if field.kind == "json"]
        return frozenset(key for path in paths for key in (path, path.partition(".")[0]))

    @property
    def needs_sidecar(self) -> bool:
        return any(field.kind == "parquet" for field in self.fields)

    @property
    def columns(self) -> list[str]:
        """What a sidecar's rows must hold: the fields' columns, with the dotted places inside of them."""
        return list(dict.fromkeys(field.path for field in self.fields if field.kind == "parquet"))

    def read(self, key: str, text: bytes | None, document: Any, row: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """The captions of one example.

        Args:
            key: the example's name.
            text: bytes of its text file, or None.
            document: its parsed JSON, or None.
            row: its row of the sidecar, or None.

        Raises:
            BadSample: when there is none, or one is not UTF-8.
        """
        values: dict[Kind, Any] = {"json": document, "parquet": row}
        captions: list[str] = []
        for field in self.fields:
            value = _between(text_of(key, text), field.path) if field.kind == "txt" else at_path(values[field.kind], field.path)
            captions += captions_of(value, field.role)
        return usable(key, [caption for caption in captions if caption not in self.absent] if self.absent else captions)

    def advice(self, document: Any, row: Mapping[str, Any] | None = None) -> str:
        """What to write instead, given one example's JSON and row."""
        paths = [f"json:{path}" for path in string_paths(document)] + [f"parquet:{path}" for path in string_paths(row)]
        if not paths:
            return "is there a .txt or .json per image?"
        return f"set caption to txt or to one of the fields that hold text; {nearest(self.fields[0].name, paths)}"


def by_role(fields: FieldNames) -> Iterator[tuple[str, str]]:
    """Every name with the role of its captions, in the order given; the role is "" where none was given."""
    for role, names in (fields if isinstance(fields, Mapping) else {"": fields}).items():
        yield from ((role, name) for name in ([names] if isinstance(names, str) else names))


def parse_field(name: str, role: str = "") -> Field:
    """A field as the configuration writes it.

    Raises:
        ConfigError: for one written otherwise.
    """
    kind, colon, path = name.partition(":")
    if kind not in get_args(Kind) or (not path and (colon or kind != "txt")):
        raise ConfigError(f"caption: {name!r} is neither txt, txt:SEPARATOR nor json:PATH, such as json:caption, nor parquet:COLUMN")
    return Field(kind, path, role)  # type: ignore[arg-type]


def _between(text: str | None, path: str) -> str | list[str] | None:
    """The text, or where the field names a separator, what stands between separators."""
    if text is None or not path:
        return text
    separator, start, stop = _PARTS.fullmatch(path).group("separator", "start", "stop")  # type: ignore[union-attr]
    return text.split(separator)[slice(*(int(end) if end else None for end in (start, stop)))]


def captions_of(value: Any, role: str = "") -> list[str]:
    """The captions that a stored value holds: the one meaning of JSON values, of cells and of files.

    A text is one caption, {"text": ..., "role": ...} is one with a role of its own, and a list holds several of these.
    Anything else holds none. Captions of any length are kept, without surrounding white space and without control characters,
    NUL among them, which become spaces; line breaks and tabs inside stay. What is empty then is no caption.

    Args:
        value: plain values, as JSON has them.
        role: of captions that do not bring their own.
    """
    if isinstance(value, str):
        text = (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()
        return [] if not text else [Caption(text, role) if role else text]
    if isinstance(value, Mapping):
        inner, own = value.get("text"), value.get("role")
        return captions_of(inner, own if isinstance(own, str) and own else role) if isinstance(inner, str) else []
    if isinstance(value, list | tuple):
        return [caption for item in value if not isinstance(item, list | tuple) for caption in captions_of(item, role)]
    return []


def usable(key: str, captions: Sequence[str]) -> tuple[str, ...]:
    """The captions of one example, if they can be used.

    Raises:
        BadSample: when there is none, or when one holds half of a surrogate pair, which no tokenizer can read.
    """
    if not captions:
        raise BadSample(NO_CAPTION, key)
    if any(not caption.isascii() and _HALF.search(caption) for caption in captions):
        raise BadSample(_NOT_UTF8, key)
    return tuple(captions)


def text_of(key: str, text: bytes | None) -> str | None:
    """A text file's content; a byte-order mark is dropped."""
    if text is None:
        return None
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSample(_NOT_UTF8, key) from None


def parse_json(key: str, content: bytes, keys: frozenset[str] | None = None) -> Any:
    """Parsed JSON of one example, of an object only what stands under these keys; raises `BadSample` where it is none."""
    try:
        return json.loads(content) if keys is None else values_under(content, keys)
    except (ValueError, RecursionError):
        raise BadSample("JSON cannot be read", key) from None


def at_path(document: Any, path: str) -> Any:
    """The value at dotted keys and list positions; None where the path leads nowhere. A key may hold dots itself."""
    if isinstance(document, Mapping) and path in document:
        return document[path]
    part, dot, rest = path.partition(".")
    if isinstance(document, Mapping):
        inner = document.get(part)
    elif isinstance(document, list | tuple) and part.isdecimal() and int(part) < len(document):
        inner = document[int(part)]
    else:
        return None
    return at_path(inner, rest) if dot else inner


def string_paths(document: Any, prefix: str = "") -> Iterator[str]:
    """Paths of a JSON object that hold captions."""
    if not isinstance(document, Mapping) or prefix.count(".") > _DEEPEST:
        return
    for key, value in document.items():
        if captions_of(value):
            yield f"{prefix}{key}"
        else:
            yield from string_paths(value, f"{prefix}{key}.")
