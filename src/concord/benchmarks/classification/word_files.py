"""Files with class names, templates and sentences: one text a line, or JSON as CLIP_benchmark has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from concord.errors import ConfigError


def is_file(value: str) -> bool:
    """Whether a text names a file rather than a published set."""
    return Path(value).suffix.lower() in (".txt", ".json")


def texts_in(what: str, path: str, dataset: str) -> tuple[str, ...]:
    """The lines of a text file, or the list in a JSON file, possibly by the name of the data set first.

    Args:
        what: the setting that names the file, for messages.
        path: of the file.
        dataset: whose part to take.

    Raises:
        ConfigError: for a file that is missing or holds something else.
    """
    if Path(path).suffix.lower() == ".txt":
        return tuple(line.rstrip("\r") for line in _text(what, Path(path)).removesuffix("\n").split("\n"))
    found = part_for(what, path, read_json(what, Path(path)), dataset, of=list)
    if not all(isinstance(item, str) for item in found):
        raise ConfigError(f"{what}: {path} must hold a list of texts, got {short(found)}")
    return tuple(found)


def part_for(what: str, path: str, document: Any, dataset: str, of: type) -> Any:
    """The part of a JSON document that belongs to a data set: all of it, what stands under its name, or the only part.

    Raises:
        ConfigError: where there is none, or not of the type that it should be.
    """
    nested = isinstance(document, dict) and document and all(isinstance(part, of) for part in document.values())
    if nested:
        if dataset not in document and len(document) > 1:
            raise ConfigError(f"{what}: {path} has nothing for {dataset}, only for {', '.join(sorted(document)[:8])}")
        document = document.get(dataset, next(iter(document.values())))
    if not isinstance(document, of):
        raise ConfigError(f"{what}: {path} must hold a JSON {'object' if of is dict else 'list'}, got {short(document)}")
    return document


def read_json(what: str, path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ConfigError: for a file that is missing or broken.
    """
    try:
        return json.loads(_text(what, path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what}: {path} is not valid JSON: {error}") from None


def _text(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{what}: there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{what}: {path} cannot be read as text: {error}") from None


def short(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
