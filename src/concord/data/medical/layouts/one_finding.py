"""As many pictures of each finding, each with this finding and no other: CheXpert 5x200 and MIMIC 5x200 (Huang et al. 2021, GLoRIA).

The published lists were drawn without a seed and hardly share a picture, so that their numbers do not compare. A list that is drawn
here is the same everywhere, and `MedicalImages.list_hash` stands beside every number that is measured on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from concord.data.medical.exams import FRONTAL, Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import read_ids
from concord.data.medical.source import MedicalImages
from concord.data.medical.splits import Part
from concord.data.split import share_of
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError, nearest

DEPTH = 3
"""Parts of a path that name a picture in every release: patient, study, file."""

SUFFIX = re.compile(r"\.(jpe?g|png|dcm|dicom)$", re.IGNORECASE)


@dataclass(frozen=True)
class Draw:
    """How pictures are drawn: which ones depends on who and what they show (`Exam.identity`) and the seed, not on the order of
    the rows, the machine or the release.

    Args:
        each: pictures of each finding, at least 1.
        seed: of the draw, not of the run.
    """

    each: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.each < 1:
            raise ValueError(f"each must be at least 1, got {self.each}")

    def of(self, candidates: Sequence[Exam]) -> list[Exam]:
        """Some of them, or all where they are too few."""
        return sorted(candidates, key=lambda exam: (share_of(exam.identity, self.seed), exam.identity))[: self.each]


class OneFinding(Layout):
    """Frontal pictures of another data set of which exactly one of a few findings is there, and no other finding at all. Where one
    is uncertain, the picture is left out. All are the test part, and their finding is their one class.

    Args:
        layout: the other data set, with findings; a blank must count as negative in it, or nothing is known to be absent.
        findings: those of its class names that become the classes.
        draw: how many, and by which seed; None with ids.
        ids: a list of pictures to take instead, a text file with a path per line. The last three parts of a path count, without
            its suffix, so that it serves for all releases; fewer parts will do where they are unique (MIMIC's dicom_id).
        ignored: class names that are not looked at, as GLoRIA does not look at "no finding".
        part: of the other data set, that the pictures are of; "all" for every one.
        exclude: sources whose patients are left out, what a model was trained on; of a list that is given, none may be in them.
        exclude_list: the same by a text file with a patient per line, as the other data set names them.

    Raises:
        ConfigError: for findings that the data set does not have, fewer than two, and unless there is either a draw or ids.
    """

    def __init__(
        self,
        layout: Layout,
        findings: list[str],
        draw: Draw | None = None,
        ids: str | None = None,
        ignored: list[str] | None = None,
        part: Part = "train",
        exclude: list[MedicalImages] | None = None,
        exclude_list: str | None = None,
    ) -> None:
        if (draw is None) == (ids is None):
            raise ConfigError("give either draw, how many and by which seed, or ids, a list of pictures, and set the other to null")
        for name in (*findings, *(ignored or [])):
            if name not in layout.class_names:
                raise ConfigError(f"findings: {layout.name} has no class {name!r}; {nearest(name, layout.class_names)}")
        if len(set(findings)) < max(2, len(findings)):
            raise ConfigError(f"findings must be at least 2 different ones, got {', '.join(findings) or 'none'}")
        self.name, self.root, self.cohort = layout.name, layout.root, layout.cohort
        self.access, self.modality, self.tells_patients = layout.access, layout.modality, layout.tells_patients
        self.class_names = findings
        self._layout, self._draw, self._ids, self._part = layout, draw, ids, part
        self._places = [list(layout.class_names).index(finding) for finding in findings]
        self._others = [n for n, name in enumerate(layout.class_names) if name not in findings and name not in (ignored or [])]
        self._exclude, self._exclude_list = exclude or [], exclude_list

    def exams(self, storage: Storage) -> Iterator[Exam]:
        excluded = self._excluded(storage)
        chosen = self._drawn(storage, excluded) if self._draw is not None else self._listed(storage, excluded)
        yield from sorted(chosen, key=lambda exam: exam.name)

    def texts(self, exam: Exam, storage: Storage) -> Mapping[str, str]:
        return self._layout.texts(exam, storage)

    def _drawn(self, storage: Storage, excluded: set[str]) -> Iterator[Exam]:
        assert self._draw is not None
        candidates: list[list[Exam]] = [[] for _ in self.class_names]
        for exam in self._labelled(storage):
            alone = all(exam.findings[place] == 0 for place in self._others)
            if alone and exam.view in FRONTAL and self._part in ("all", exam.split) and exam.patient not in excluded:
                candidates[self._class_of(exam)].append(exam)
        for name, own in zip(self.class_names, candidates, strict=True):
            if len(own) < self._draw.each:
                raise DataError(f"{self.name}: {len(own)} pictures show {name} alone, and {self._draw.each} are asked for; lower draw.each")
            yield from (self._asked(exam) for exam in self._draw.of(own))

    def _listed(self, storage: Storage, excluded: set[str]) -> Iterator[Exam]:
        assert self._ids is not None
        place, wanted = without_secrets(self._ids), dict.fromkeys(read_ids(storage, self._ids))
        given = {tail_of(name): name for name in wanted}
        found: dict[str, Exam] = {}
        for exam in self._layout.exams(storage):
            name = next((given[tail] for tail in _tails(exam.image) if tail in given), None)
            if name is not None and found.setdefault(name, exam) is not exam:
                raise DataError(f"{place}: one of its ids is the end of several paths; write longer ends")
        _refuse(place, "are of no picture", [name for name in wanted if name not in found], wanted)
        _refuse(place, "do not show exactly one of the findings", [name for name in found if not self._has_one(found[name])], wanted)
        _refuse(place, "are of patients to exclude", [name for name in found if found[name].patient in excluded], wanted)
        return (self._asked(exam) for exam in found.values())

    def _labelled(self, storage: Storage) -> Iterator[Exam]:
        return (exam for exam in self._layout.exams(storage) if self._has_one(exam))

    def _has_one(self, exam: Exam) -> bool:
        return sorted(self._own(exam)) == [0] * (len(self._places) - 1) + [1]

    def _own(self, exam: Exam) -> list[int]:
        return [exam.findings[place] for place in self._places]

    def _class_of(self, exam: Exam) -> int:
        return self._own(exam).index(1)

    def _asked(self, exam: Exam) -> Exam:
        return replace(exam, split="test", label=self._class_of(exam), findings=())

    def _excluded(self, storage: Storage) -> set[str]:
        """Patients whose pictures may not be asked about."""
        for source in self._exclude:
            if source.cohort != (self.cohort or self.name):
                raise ConfigError(f"exclude: {source.name} has patients of {source.cohort}, and {self.name} has its own")
        listed = set(read_ids(storage, self._exclude_list)) if self._exclude_list is not None else set()
        return listed.union(*(source.patients() for source in self._exclude))


def tail_of(path: str) -> str:
    """The end of a path, without its suffix, that releases of a data set share: names of a patient, a study and a picture."""
    return "/".join(SUFFIX.sub("", path.strip()).split("/")[-DEPTH:])


def _tails(path: str) -> Iterator[str]:
    """The same, and what is left of it without its first folders."""
    parts = tail_of(path).split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _refuse(place: str, what: str, wrong: Sequence[str], wanted: Mapping[str, None]) -> None:
    if wrong:
        raise DataError(f"{place}: {len(wrong)} of its {len(wanted)} ids {what}; a part of a list makes another test")


def write_list(images: MedicalImages, file: Path) -> None:
    """The paths of all pictures of a source, one a line in alphabetical order, so that others can test on the same (`ids`).

    The file can be read by its owner alone: names of guarded data sets identify patients.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text("".join(f"{name}\n" for name in sorted(exam.name for exam in images.exams)), encoding="utf-8")
