"""Captions from labels: what is seen, named in sentences that are written out and reviewed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Literal, get_args

from concord.data.medical.exams import Exam
from concord.data.medical.text.dictionary import Label, LabelDictionary, bare, diagonals, spelled
from concord.errors import ConfigError, nearest

Missing = Literal["refuse", "name", "skip"]


class LabelCaptions:
    """Sentences about the classes and findings of a picture, several phrasings of each, of which a visit reads one.

    Findings that are there are named together; those that are not may be denied; those of which nothing is known are left
    out. Where all are known and none is there, or the one that is there says so ("no finding"), the picture is called normal.
    UniMed-CLIP (Khattak et al. 2024) has such sentences written by a language model, some of them wrong; FLAIR (Silva-Rodriguez
    et al. 2025) puts descriptions in the place of names.

    Args:
        dictionary: a file of `concord/vocabularies/labels`.
        phrasings: captions of a picture, at least 1; fewer where there are not so many.
        denied: findings that a caption says are not there, at most; others in each phrasing.
        descriptions: take what a class looks like in the place of its name in some of the phrasings.
        missing: what becomes of a class that the dictionary does not have: "refuse" it, say its "name" as it is, or "skip" it.

    Raises:
        ConfigError: for a dictionary that is not there; at the first exam for a class that is not in it, with the nearest ones.
        ValueError: for an argument out of its range.
    """

    speaks_of_patients = False

    def __init__(
        self, dictionary: str, phrasings: int = 10, denied: int = 0, descriptions: bool = True, missing: Missing = "refuse"
    ) -> None:
        if phrasings < 1:
            raise ValueError(f"phrasings must be at least 1, got {phrasings}")
        if denied < 0:
            raise ValueError(f"denied must be at least 0, got {denied}")
        if missing not in get_args(Missing):
            raise ValueError(f"missing must be one of {', '.join(get_args(Missing))}, got {missing!r}")
        self.phrasings = phrasings
        self.denied = denied
        self.descriptions = descriptions
        self.missing: Missing = missing
        self._name = dictionary
        self._dictionaries = {"": LabelDictionary(dictionary)}
        self._labels: dict[tuple[str, ...], list[Label]] = {}

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        labels = self._meant(tuple(class_names))
        found = [labels[exam.label]] if exam.label is not None else _in_state(labels, exam.findings, 1)
        absent = _in_state(labels, exam.findings, 0)
        nothing = 0 < len(absent) == len(labels) and not any(label.normal for label in absent)
        normal = nothing or any(label.normal for label in found)
        words = self._words(exam.modality)
        sentences = list(islice(self._sentences(words, _sayable(found), normal), self.phrasings))
        denials = self._denials(words, _sayable(absent))
        if sentences and denials:
            return [f"{sentence} {denial}" for sentence, denial in zip(sentences, cycle(denials), strict=False)]
        return sentences or denials

    def _sentences(self, words: LabelDictionary, seen: Sequence[Label], normal: bool) -> Iterator[str]:
        """Every template with every way to name all that is seen; those for a normal picture where nothing is."""
        if not seen:
            yield from words.normal if normal else ()
            return
        described = seen[0].described if self.descriptions and len(seen) == 1 else ()
        ways = [(*label.names, *described) for label in seen]
        for template, what in diagonals(words.present, [_named(ways, turn) for turn in range(max(map(len, ways)))]):
            yield _sentence(template, what)

    def _denials(self, words: LabelDictionary, absent: Sequence[Label]) -> list[str]:
        """As many sentences as there are phrasings, each denying others of the absent findings; none if there is nothing to deny."""
        count = min(self.denied, len(absent))
        if not count:
            return []
        names = [bare(label.names[0]) for label in absent]
        lists = (_listed([names[(turn * count + place) % len(names)] for place in range(count)], "or") for turn in range(self.phrasings))
        return list(dict.fromkeys(_sentence(template, what) for template, what in zip(cycle(words.absent), lists, strict=False)))

    def _words(self, modality: str = "") -> LabelDictionary:
        """The dictionary for pictures of a modality; "" for its own."""
        if modality not in self._dictionaries:
            self._dictionaries[modality] = LabelDictionary(self._name, modality)
        return self._dictionaries[modality]

    def _meant(self, class_names: tuple[str, ...]) -> list[Label]:
        """What the classes of a data set mean; looked up once."""
        if class_names not in self._labels:
            self._labels[class_names] = [self._words().find(name) or self._unlisted(name) for name in class_names]
        return self._labels[class_names]

    def _unlisted(self, name: str) -> Label:
        if self.missing == "refuse":
            raise ConfigError(
                f"label {name!r} is not in the dictionary {self._name}; {nearest(spelled(name), self._words().labels)} "
                "Or set missing=name to say it as it is, missing=skip to leave it out"
            )
        return Label(name, (name,) if self.missing == "name" else ())


def _in_state(labels: Sequence[Label], findings: Sequence[int], state: int) -> list[Label]:
    return [labels[place] for place, finding in enumerate(findings) if finding == state]


def _sayable(labels: Iterable[Label]) -> list[Label]:
    return [label for label in labels if label.names and not label.normal]


def _named(ways: Sequence[Sequence[str]], turn: int) -> str:
    """All that is seen, in other words and another order for each turn."""
    names = [own[(turn + place) % len(own)] for place, own in enumerate(ways)]
    start = turn % len(names)
    return _listed([*names[start:], *names[:start]], "and")


def _listed(names: Sequence[str], last: str) -> str:
    """ "a", "a and b", "a, b and c"."""
    return f" {last} ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])


def _sentence(template: str, what: str) -> str:
    sentence = template.replace("{}", what)
    return sentence[0].upper() + sentence[1:]
