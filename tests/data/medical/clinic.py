"""A layout without files but pictures, for what all medical data sets share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from concord.access import Access
from concord.data.medical import Exam, Layout, MedicalImages
from concord.data.storage.storage import Storage
from tests.data.samples import encode

PLANTED = "patient99999"


class Clinic(Layout):
    """Exams as they are given; their pictures have one shade of grey, the number of the exam."""

    name = "clinic"
    modality = "radiograph"
    class_names = ("edema", "mass")

    def __init__(self, folder: Path, exams: Sequence[Exam], access: Access = "open", cohort: str = "", name: str = "clinic") -> None:
        self.root = str(folder)
        self.access = access
        self.cohort = cohort
        self.name = name
        self.listed = exams
        for number, exam in enumerate(exams):
            (folder / exam.image).parent.mkdir(parents=True, exist_ok=True)
            (folder / exam.image).write_bytes(encode(number))

    def exams(self, storage: Storage) -> Iterator[Exam]:
        yield from self.listed


class Told:
    """Captions of what is written of an exam."""

    speaks_of_patients = True

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        return [texts["report"]] if "report" in texts else []


class Labelled:
    """Captions of labels."""

    speaks_of_patients = False

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        return [f"a radiograph with {class_names[exam.label]}"] if exam.label is not None else []


class Failing:
    """A decoder that raises what it is told to."""

    def __init__(self, fault: Callable[[], Exception]) -> None:
        self.fault = fault

    def __call__(self, content: bytes, position: float | None = None) -> bytes:
        raise self.fault()


def exam(number: int, patient: str = "", study: str = "", view: str = "PA", split: str = "train", **more: object) -> Exam:
    """A picture with a report that names its patient."""
    patient = patient or f"{PLANTED}-{number}"
    texts = {"report": f"report of {patient}"}
    known = {"texts": texts, **more}
    return Exam(f"{patient}/{number}.png", patient, study, view, split=split, **known)  # type: ignore[arg-type]


def clinic(folder: Path, exams: Sequence[Exam], access: Access = "open", **options: object) -> MedicalImages:
    """A source of these exams with both kinds of captions."""
    makers = {"report": Told(), "label": Labelled()}
    return MedicalImages(Clinic(folder, exams, access), **{"captions": makers, **options})  # type: ignore[arg-type]
