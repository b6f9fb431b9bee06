"""The texts that stand for classes: templates filled with names, and sentences written for each class.

In a template `{}` stands for the name and `{a}` for the article that it takes, a or an. Names, templates and sentences may be
given as they are, as the name of a published set (see `concord.vocabularies`), or as a file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from concord import vocabularies
from concord.benchmarks.classification.word_files import is_file, part_for, read_json, short, texts_in
from concord.benchmarks.protocol import Named
from concord.errors import ConfigError

log = logging.getLogger(__name__)

DEFAULT = "photo"
"""The set of templates of a data set that has none of its own."""


@dataclass(frozen=True)
class Wording:
    """How the classes of a data set are put into words.

    Attributes:
        names: by label; with `separator` in between where a class has several.
        templates: sentences with `{}`; none where there are descriptions only.
        descriptions: by label, whole sentences; none where there are templates only.
        separator: what stands between the names of one class; None takes each name as it is.
    """

    names: tuple[str, ...]
    templates: tuple[str, ...]
    descriptions: tuple[tuple[str, ...], ...] = ()
    separator: str | None = None

    def prompts(self) -> list[list[str]]:
        """By class, every template filled with every name, and its descriptions."""
        filled = prompts_of(self.names, self.templates, self.separator)
        return [[*own, *sentences] for own, sentences in zip(filled, self.descriptions or [()] * len(filled), strict=True)]

    def settings(self) -> dict[str, Any]:
        """What it depends on, as checksums."""
        return {
            "class_names": _checksum([self.names, self.separator]),
            "templates": _checksum(self.templates),
            "descriptions": _checksum(self.descriptions),
        }


def wording_of(
    reader: Named,
    class_names: Sequence[str] | str | None = None,
    templates: Sequence[str] | str | None = None,
    descriptions: Mapping[str, Sequence[str]] | str | None = None,
    synonyms: str | None = None,
) -> Wording:
    """The words for the classes of a reader. With descriptions and no templates, there are descriptions only.

    Classes that are called the same tie in every image; there is a warning.

    Raises:
        ConfigError: for missing class names, and for sets and files that cannot be used.
    """
    if synonyms == "":
        raise ConfigError("synonyms must be null, or what stands between the names of a class such as ', '; got ''")
    names = names_of(class_names, reader)
    sentences = () if descriptions is None else descriptions_of(descriptions, names, reader.name)
    filled = () if templates is None and sentences else templates_of(templates, reader)
    _warn_of_twins(reader.name, names)
    return Wording(names, filled, sentences, synonyms)


def names_of(class_names: Sequence[str] | str | None, reader: Named) -> tuple[str, ...]:
    """Class names by label: as they are, a published set, a file (one a line, or JSON), or the reader's own `class_names`.

    Raises:
        ConfigError: for an unknown set, an unreadable file, or a reader without names.
    """
    if isinstance(class_names, str):
        return texts_in("class_names", class_names, reader.name) if is_file(class_names) else vocabularies.class_names(class_names)
    names = getattr(reader, "class_names", None) if class_names is None else class_names
    if names is None:
        raise ConfigError(f"class_names must be given: {reader.name} has none of its own")
    return tuple(names)


def templates_of(templates: Sequence[str] | str | None, reader: Named | None = None) -> tuple[str, ...]:
    """Templates as they are, a published set, a file (one a line, or JSON; `{c}` is read as `{}`), or the reader's own.

    A reader without `templates` gets the set `photo`, with a message.

    Raises:
        ConfigError: for an unknown set, an unreadable file, no templates, or one without `{}`, which would describe all
            classes alike.
    """
    if templates is None:
        templates = getattr(reader, "templates", None) or _default(reader)
    if isinstance(templates, str):
        if not is_file(templates):
            return vocabularies.templates(templates)
        lines = texts_in("templates", templates, "" if reader is None else reader.name)
        templates = [line.replace("{c}", "{}") for line in lines if line.strip()]
    if not templates:
        raise ConfigError("templates must hold at least one template, got none")
    for template in templates:
        if "{}" not in template:
            raise ConfigError(f"templates: {template!r} lacks the placeholder {{}} for the class name")
    return tuple(templates)


def descriptions_of(
    descriptions: Mapping[str, Sequence[str]] | str, names: Sequence[str], dataset: str = ""
) -> tuple[tuple[str, ...], ...]:
    """The sentences of each class, in the order of the names (Pratt et al. 2023, CuPL).

    Args:
        descriptions: sentences by class name, or a JSON file with them, possibly by the name of the data set first.
        names: of the classes.
        dataset: name of the data set, where the file holds several.

    Raises:
        ConfigError: for an unreadable file, or a class without sentences.
    """
    found: Any = descriptions
    if isinstance(descriptions, str):
        found = part_for("descriptions", descriptions, read_json("descriptions", Path(descriptions)), dataset, of=dict)
    for name in names:
        sentences = found.get(name)
        if not isinstance(sentences, Sequence) or isinstance(sentences, str) or not sentences:
            raise ConfigError(f"descriptions: class {name!r} needs a list of sentences, got {short(sentences)}")
        if not all(isinstance(sentence, str) for sentence in sentences):
            raise ConfigError(f"descriptions: class {name!r} has sentences that are not text: {short(sentences)}")
    return tuple(tuple(found[name]) for name in names)


def prompts_of(class_names: Sequence[str], templates: Sequence[str], separator: str | None = None) -> list[list[str]]:
    """Every template filled with every name of every class, [C][names x T]."""
    names = [[name] if separator is None else _several(name, separator) for name in class_names]
    return [[_fill(template, name) for name in own for template in templates] for own in names]


def _several(names: str, separator: str) -> list[str]:
    return [name.strip() for name in names.split(separator) if name.strip()] or [names]


def _fill(template: str, name: str) -> str:
    article = "an" if name[:1].lower() in set("aeiou") else "a"
    return template.replace("{a}", article).replace("{}", name)


def _default(reader: Named | None) -> str:
    log.warning("%s has no templates of its own: taking %s", "it" if reader is None else reader.name, vocabularies.templates(DEFAULT))
    return DEFAULT


def _warn_of_twins(dataset: str, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for label, name in enumerate(names):
        twin = first.setdefault(name, label)
        if twin != label:
            log.warning("%s: classes %d and %d are both called %r; they tie, and ties are misses", dataset, twin, label, name)


def _checksum(value: Any) -> str:
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
