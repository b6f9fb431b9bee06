"""How a medical data set lies on disk: the part that is different for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from concord.access import Access
from concord.data.medical.exams import Exam
from concord.data.storage.storage import Storage
from concord.types import RawImage


class Layout(ABC):
    """The files of one data set. `MedicalImages` makes a source of it: splits, views, decoding and captions are there.

    A subclass names the columns, folders and spellings of its data set. It lists all exams, of every split, in an order that
    does not depend on the machine.

    Attributes:
        name: for logs and metrics.
        root: folder, or its URL, that the paths of images start from.
        cohort: whose patients these are, where several data sets name the same ones by the same names; "" for its own.
        access: see `concord.access`.
        modality: of exams that do not say their own; see `concord.data.medical.modalities`.
        class_names: of labels or findings, as prompts and captions name them; empty without classes.
        tells_patients: whether pictures of one patient are known to be so. Where they are not, nobody may make parts of them: copies
            of one picture would be in two.
    """

    name: str
    root: str
    cohort: str = ""
    access: Access = "open"
    modality: str = ""
    class_names: Sequence[str] = ()
    tells_patients: bool = True

    @abstractmethod
    def exams(self, storage: Storage) -> Iterator[Exam]:
        """All exams.

        Raises:
            DataError: for a list that is missing or broken; of guarded sets it names the list, never an exam.
        """

    def texts(self, exam: Exam, storage: Storage) -> Mapping[str, str]:
        """What is written of an exam; here what its lists held. Layouts with a file per report read it.

        Raises:
            BadSample, StorageError: when it cannot be read.
        """
        return exam.texts


@runtime_checkable
class Container(Protocol):
    """A layout whose pictures have no files of their own, as those in one array."""

    def read(self, exam: Exam, storage: Storage) -> RawImage:
        """A picture; its exam's `image` is a name below `root` and no file.

        Raises:
            BadSample, DataError, StorageError: when it cannot be read.
        """
        ...
