"""What the labels of medical data sets mean, in words: dictionaries that are written out and reviewed, one per kind of picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concord.data.filters.limits import normalise
from concord.data.medical.modalities import modality_named
from concord.vocabularies import label_dictionary, label_templates

_ARTICLE = re.compile(r"^(?:an?|the) ")
_SPELLINGS = (("oedema", "edema"), ("haem", "hem"), ("tumour", "tumor"), ("naev", "nev"), ("grey", "gray"), ("fibre", "fiber"))
_SPOKEN_WITH_A_VOWEL = re.compile(r"[AEFHILMNORSX](?:[A-Z&-]|$)|[aeiouAEIO]")


@dataclass(frozen=True)
class Label:
    """A class or a finding.

    Attributes:
        key: its name in the dictionary.
        names: noun phrases that name it, some with an article; none for a label that says nothing of the picture ("other lesion").
        described: noun phrases for what it looks like.
        normal: whether it says that nothing was found.
        beside: keys of labels that its words may name as well.
    """

    key: str
    names: tuple[str, ...]
    described: tuple[str, ...] = ()
    normal: bool = False
    beside: tuple[str, ...] = ()


class LabelDictionary:
    """The labels of one kind of picture and the sentences that they are said in.

    Sentences have places: `{}` for what is seen, `{image}` for what the picture is called ("chest X-ray"), and `{a}` or `{A}` for
    the article before it. They are those of `vocabularies/label_templates.yaml` and the dictionary's own.

    A label is found by its key, any of its names, or another spelling in data sets, whatever its capitals, signs, article and
    side of the Atlantic. Before any of them may stand "no", "mild" or another severity of the dictionary, or the code of a region
    with a stroke ("af/hematoma").

    Args:
        name: a file of `vocabularies/labels`.
        modality: of the picture; "" for the dictionary's own.

    Attributes:
        labels: by key.
        present, absent, normal: sentences that name what is seen, deny it, and find nothing.

    Raises:
        ConfigError: for an unknown name or modality.
    """

    def __init__(self, name: str, modality: str = "") -> None:
        words, shared = label_dictionary(name), label_templates()
        images = [f"{words['region']} {image}".strip() for image in modality_named(modality or words["modality"]).words]
        self.name = name
        self.labels = {key: _label(key, entry or {}) for key, entry in words["labels"].items()}
        self.present = _filled([*words.get("present", ()), *shared["present"]], images)
        self.absent = _filled([*words.get("absent", ()), *shared["absent"]], images)
        self.normal = _filled(words["normal"], images)
        self._severities: Mapping[str, Sequence[str]] = words.get("severities", {})
        self._regions: Mapping[str, str] = words.get("regions", {})
        self._keys = {spelling: key for key, entry in words["labels"].items() for spelling in _spellings(key, entry or {})}

    def find(self, label: str) -> Label | None:
        """The label of a data set; None if it is not in the dictionary."""
        region, stroke, finding = label.rpartition("/")
        code = region.rpartition("/")[2].lower()
        if stroke and code in self._regions:
            found = self.find(finding)
            return None if found is None else _placed(found, code, self._regions[code])
        sought = spelled(label)
        if sought in self._keys:
            return self.labels[self._keys[sought]]
        first, _, rest = sought.partition(" ")
        if rest not in self._keys:
            return None
        found = self.labels[self._keys[rest]]
        if first == "no":
            return Label(f"no {found.key}", tuple(f"no {bare(name)}" for name in found.names), beside=(found.key, *found.beside))
        return _graded(found, first, self._severities[first]) if first in self._severities else None


def bare(name: str) -> str:
    """A noun phrase without its article."""
    return _ARTICLE.sub("", name)


def with_article(phrase: str) -> str:
    """A noun phrase behind "a" or "an", as it is spoken: an MRI scan, a CT scan, an X-ray."""
    return f"an {phrase}" if _SPOKEN_WITH_A_VOWEL.match(phrase) else f"a {phrase}"


def spelled(label: str) -> str:
    """What makes two spellings of a label the same."""
    plain = bare(normalise(label))
    for british, american in _SPELLINGS:
        plain = plain.replace(british, american)
    return plain


def _spellings(key: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield from map(spelled, (key, *entry.get("names", ()), *entry.get("spelled", ())))


def _label(key: str, entry: Mapping[str, Any]) -> Label:
    lists = {name: tuple(entry.get(name, ())) for name in ("described", "beside")}
    return Label(key, tuple(entry.get("names", (key,))), normal=entry.get("normal", False), **lists)


def _graded(label: Label, severity: str, words: Sequence[str]) -> Label:
    """A label with a severity before each of its names; what the label looks like without one is left out."""
    pairs = ((name, word) for name in label.names for word in words)
    names = (with_article(f"{word} {bare(name)}") if bare(name) != name else f"{word} {name}" for name, word in pairs)
    return Label(f"{severity} {label.key}", tuple(names), beside=(label.key, *label.beside))


def _placed(label: Label, code: str, region: str) -> Label:
    """A label with a region behind each of its names that does not name it already."""
    names = (name if bare(region) in name else f"{name} of {region}" for name in label.names)
    return Label(f"{code}/{label.key}", tuple(names), normal=label.normal, beside=(label.key, *label.beside))


def _filled(templates: Sequence[str], images: Sequence[str]) -> list[str]:
    """Every template with every word for the picture."""
    return list(dict.fromkeys(_named(template, image) for template, image in diagonals(templates, images)))


def _named(template: str, image: str) -> str:
    article = with_article(image).partition(" ")[0]
    return template.replace("{a}", article).replace("{A}", article.capitalize()).replace("{image}", image)


def diagonals(first: Sequence[Any], second: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """All pairs of two lists, so that neighbours differ in both where they can."""
    for shift in range(len(second)):
        for place, item in enumerate(first):
            yield item, second[(place + shift) % len(second)]
