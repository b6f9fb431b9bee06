"""MedicalImages: the source of every medical data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from inspect import isroutine
from typing import Any, Protocol, get_args

import numpy as np

from concord.access import guarding, is_guarded, place_of, without_values
from concord.data.medical.captions import CaptionMaker
from concord.data.medical.exams import UNKNOWN, Exam, Exams
from concord.data.medical.keys import keyed
from concord.data.medical.layout import Container, Layout
from concord.data.medical.selection import Views, of_part, of_views
from concord.data.medical.splits import Part, PatientSplit
from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells, resolve
from concord.data.source import PROBED, BadSample, digest
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import ConcordError, DataError
from concord.types import Caption, Pair, RawImage

_NO_PATIENTS = (
    "{}: nothing says which of its pictures are of one patient or copies of one another, so that no part of it is independent of the "
    "rest; take its own splits or split=all, or group it by concord.data.medical.layouts.GroupedByLook"
)


class Decoder(Protocol):
    """From the bytes of a file to a picture; raises `DataError`, whose words name no file and nothing that the file says."""

    def __call__(self, content: bytes, position: float | None = None) -> RawImage: ...


class MedicalImages:
    """The pictures of a medical data set with captions made of their reports and labels, with random access.

    Pairs of guarded data sets (see `concord.access`) carry keyed hashes instead of names, and what goes wrong with one of them
    is told without its file, its text, or anything else that is particular to it.

    metadata: `patient_id`, `study_id`, `view`, `modality`, `label` with `class_name` or `labels` (1, 0, None per class), and
    what the layout knows beside them.

    Args:
        layout: how the data set lies on disk.
        split: which part; "all" takes every exam, also those in no part.
        patient_split: parts by patient, in place of the data set's own. None: its own, which share no patient or are refused.
        views: "all" pictures of a study; its "frontal" ones (PA and AP); "one" of each study, a frontal one where it has one; or
            "one_frontal", which leaves out studies without.
        decoder: from files to pictures; None passes the bytes on, which suits PNG and JPEG. A `Container` needs none.
        captions: by role, what captions are made of; None makes none, as benchmarks need none. Exams without any caption are
            bad examples.
        exclude: other sources whose patients are left out; they must be of the same cohort (see `Layout`).
        name: for logs and metrics; the layout's when not given.
        storage: reads lists, reports and pictures.

    Attributes:
        access: the layout's.
        class_names: the layout's.
        cohort: whose patients these are; the layout's name where it says nothing.
        exams: what the lists say of this part.

    Raises:
        ValueError: for an unknown split or policy, a decoder that nothing would call, and for patients to exclude that bear other names.
        DataError: for lists that are missing or broken, a patient in two parts, a part without exams, and when none of the
            pictures is there.
    """

    def __init__(
        self,
        layout: Layout,
        split: Part = "train",
        patient_split: PatientSplit | None = None,
        views: Views = "all",
        decoder: Decoder | None = None,
        captions: dict[str, CaptionMaker] | None = None,
        exclude: list[MedicalImages] | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        for argument, value, valid in (("split", split, get_args(Part)), ("views", views, get_args(Views))):
            if value not in valid:
                raise ValueError(f"{argument} must be one of {', '.join(valid)}, got {value!r}")
        self.layout = layout
        self.name = name if name is not None else layout.name
        self.access = layout.access
        self.cohort = layout.cohort or layout.name
        self._storage = storage if storage is not None else Storage()
        self._cells = ImageCells(layout.root, self._storage)
        self._container = layout if isinstance(layout, Container) else None
        self._decoder = decoder
        self._makers = captions
        if decoder is not None and self._container is not None:
            raise ValueError(f"decoder must be null: {layout.name} keeps its pictures decoded, in one file")
        if patient_split is not None and not layout.tells_patients:
            raise DataError(_NO_PATIENTS.format(self.name))
        everything = self._listed()
        self.class_names = list(layout.class_names)  # after the lists, which may be what tells them
        chosen = of_part(self.name, everything, split, patient_split)
        chosen = self._without(everything, chosen, exclude or [])
        self.exams = everything.take(of_views(everything, chosen, views))
        if not len(self.exams):
            raise DataError(f"{self.name}: none of its {len(everything)} pictures is in split {split} with views {views}")
        self._require_files()

    def __len__(self) -> int:
        return len(self.exams)

    def __getitem__(self, index: int) -> Pair:
        exam = self.exams[index]
        key = self._named(exam.name)
        with self._told_safely(key):
            image = self._picture(exam, key)
            captions = self._captions(exam, key)
        return Pair(image, captions, key, self.name, self._metadata(exam))

    def key(self, index: int) -> str:
        return self._named(self.exams[index].name)

    def captions(self, index: int) -> tuple[str, ...]:
        exam = self.exams[index]
        key = self._named(exam.name)
        with self._told_safely(key):
            return self._captions(exam, key)

    def metadata(self, index: int) -> Mapping[str, Any]:
        return self._metadata(self.exams[index])

    def location(self, index: int) -> str:
        if is_guarded(self):
            return self.name
        return below(without_secrets(self._cells.root), self.exams[index].image)

    def fingerprint(self) -> str:
        return digest(self.exams.checksum(), self.class_names)

    @cached_property
    def list_hash(self) -> str:
        """Which pictures these are, in any order: see `Exam.identity`. Unlike keys it needs no secret, and it names nobody."""
        return digest(sorted(self.exams.identities()))

    def patients(self) -> set[str]:
        """Who is in this part, as the data set names them: to be compared, never to be shown."""
        return set(self.exams.column("patient").tolist())

    def safe_captions(self, index: int) -> tuple[str, ...]:
        """Those captions that are made of labels and templates: what may be learned and kept as a vocabulary."""
        exam = self.exams[index]
        return tuple(self._made(exam, {}, lambda maker: not maker.speaks_of_patients))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MedicalImages) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[str, str, str, str]:
        return self.name, self._cells.root, self.fingerprint(), digest(_settings(self._decoder), _settings(self._makers))

    def _picture(self, exam: Exam, key: str) -> RawImage:
        if self._container is not None:
            return self._container.read(exam, self._storage)
        content = self._cells.read(key, exam.image)
        return self._decoder(content, exam.position) if self._decoder is not None else content

    def _captions(self, exam: Exam, key: str) -> tuple[str, ...]:
        if self._makers is None:
            return ()
        captions = tuple(self._made(exam, self.layout.texts(exam, self._storage), lambda maker: True))
        if not captions:
            raise BadSample("nothing to make a caption of", key)
        return captions

    def _made(self, exam: Exam, texts: Mapping[str, str], wanted: Callable[[CaptionMaker], bool]) -> Iterator[Caption]:
        for role, maker in (self._makers or {}).items():
            if wanted(maker):
                yield from (Caption(text, role) for text in maker(exam, texts, self.class_names))

    def _metadata(self, exam: Exam) -> dict[str, Any]:
        named = {"patient_id": self._named(exam.patient, self.cohort), "study_id": self._named(exam.together)}
        plain = {"view": exam.view, "modality": exam.modality or self.layout.modality, **exam.known}
        return {**plain, **named, **self._classes(exam)}

    def _classes(self, exam: Exam) -> dict[str, Any]:
        if exam.label is not None:
            return {"label": exam.label, "class_name": self.class_names[exam.label]}
        if exam.findings:
            return {"labels": [None if finding == UNKNOWN else finding for finding in exam.findings]}
        return {}

    def _named(self, identifier: str, within: str | None = None) -> str:
        return keyed(f"{within or self.layout.name}/{identifier}") if is_guarded(self) else identifier

    @contextmanager
    def _told_safely(self, key: str) -> Iterator[None]:
        """Errors of one exam as a `BadSample`; of guarded data sets without anything that its file says."""
        try:
            yield
        except BadSample as bad:
            raise BadSample(bad.cause, key, self._detail(bad.detail)) from None
        except StorageError as error:
            raise BadSample(f"file {error.cause}", key) from None
        except DataError as error:
            raise BadSample("image cannot be decoded", key, self._detail(str(error))) from None
        except ConcordError:  # of the user's, such as a package that is missing
            raise
        except Exception as error:  # a fault of the program, whose stack trace would end in words of the file
            if not is_guarded(self):
                raise
            raise BadSample(f"unexpected {place_of(error)}", key) from None

    def _detail(self, text: str) -> str:
        return "" if is_guarded(self) else text

    def _listed(self) -> Exams:
        """All exams of the layout."""
        with self._told_without_values():
            return Exams(self.layout.exams(self._storage))

    @contextmanager
    def _told_without_values(self) -> Iterator[None]:
        """Errors of whole files; of guarded data sets without what stands in them."""
        try:
            with guarding(self):
                yield
        except DataError as error:
            if not is_guarded(self):
                raise
            raise DataError(without_values(str(error))) from None

    def _without(self, exams: Exams, chosen: np.ndarray, exclude: list[MedicalImages]) -> np.ndarray:
        """Those of the exams whose patients are in none of these sources."""
        for source in exclude:
            if source.cohort != self.cohort:
                raise ValueError(f"exclude: {source.name} has patients of {source.cohort}, and {self.name} has those of {self.cohort}")
        excluded: set[str] = set().union(*(source.patients() for source in exclude))
        kept = [patient not in excluded for patient in exams.column("patient")[chosen].tolist()]
        return chosen[np.array(kept, dtype=bool)]

    def _require_files(self) -> None:
        """Look for up to `PROBED` of the pictures; of a container one is read, which opens it before processes part."""
        if self._container is not None:
            with self._told_without_values():
                self._container.read(self.exams[0], self._storage)
            return
        step = -(-len(self.exams) // PROBED)
        if not any(self._is_there(self.exams[index]) for index in range(0, len(self.exams), step)):
            example = "" if is_guarded(self) else f", such as {self.location(0)}"
            raise DataError(f"{self.name}: none of its pictures is in {without_secrets(self.layout.root)}{example}; is the path right?")

    def _is_there(self, exam: Exam) -> bool:
        path = resolve(self._cells.root, exam.image)
        try:
            return path is not None and (is_url(path) or self._storage.state(path).size >= 0)
        except (StorageError, ValueError):  # a NUL in the name is a ValueError
            return False


def _settings(part: Any) -> Any:
    """What a decoder or a caption maker is made of, as plain values: equal ones do the same."""
    if isinstance(part, np.ndarray):
        return part.tolist()
    if isinstance(part, Mapping):
        return [[str(name), _settings(value)] for name, value in part.items()]
    if isinstance(part, list | tuple):
        return [_settings(value) for value in part]
    if isroutine(part) or not hasattr(part, "__dict__"):
        return repr(part)
    return [type(part).__qualname__, _settings(vars(part))]
