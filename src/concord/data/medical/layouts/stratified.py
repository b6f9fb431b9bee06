"""Parts of data sets that come without any: published lists, or a draw by patient with the same share of every class in each."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from concord.data.medical.exams import Split
from concord.data.medical.layouts.lists import check_parts, listed_parts, require_listed
from concord.data.split import share_of
from concord.data.storage.storage import Storage
from concord.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StratifiedSplit:
    """Parts by patient, within each class. Who is in which depends on the names of all patients, their classes and the seed, not
    on the order of the rows or on the machine. Shares are kept as exactly as whole patients allow.

    Unlike `PatientSplit`, a patient may change parts when others join the data set.

    Args:
        validation, test: shares of the patients, each in [0, 1), together below 1; the papers on RSNA and SIIM take 0.15 each.
        seed: of the split, not of the run.
    """

    validation: float = 0.15
    test: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise ValueError(f"validation and test must be at least 0 and together below 1, got {self.validation} and {self.test}")

    def parts(self, classes: Mapping[str, int]) -> dict[str, Split]:
        """The part of each patient, given a class of each."""
        members: dict[int, list[str]] = defaultdict(list)
        for patient, label in classes.items():
            members[label].append(patient)
        return {patient: part for label in sorted(members) for patient, part in self._within(members[label]).items()}

    def _within(self, patients: list[str]) -> dict[str, Split]:
        drawn = sorted(patients, key=lambda patient: (share_of(patient, self.seed), patient))
        test, other = round(self.test * len(drawn)), round((self.test + self.validation) * len(drawn))
        return {patient: "test" if n < test else "validation" if n < other else "train" for n, patient in enumerate(drawn)}


class Division:
    """Where the parts of a data set come from.

    Args:
        name: of the data set, for messages.
        lists: by part a text file with a picture's id per line; None draws parts.
        parts: how they are drawn; None with lists.

    Raises:
        ConfigError: unless there are either lists or parts.
    """

    def __init__(self, name: str, lists: dict[str, str] | None, parts: StratifiedSplit | None) -> None:
        if (lists is None) == (parts is None):
            raise ConfigError("give either lists, published ones, or parts, how to draw them, and set the other to null")
        check_parts(lists or {})
        self._name, self._lists, self._parts = name, lists, parts

    def splits(self, storage: Storage, folder: str, labels: Mapping[str, int], patients: Mapping[str, str] | None) -> Mapping[str, Split]:
        """The part of each picture; those that no list has are not there.

        Args:
            storage: reads the lists.
            folder: that their names start from.
            labels: the class of each picture. A patient's is the largest of his.
            patients: of each picture; None where nothing tells them, of which a draw warns.

        Raises:
            DataError: for lists that cannot be read, share ids, or have none of these pictures.
        """
        if self._lists is not None:
            listed = listed_parts(storage, folder, self._lists)
            require_listed(self._name, labels.keys(), listed)
            return listed
        assert self._parts is not None
        if patients is None:
            logger.warning("%s: two parts may share patients, as nothing says whose the pictures are", self._name)
            return self._parts.parts(labels)
        classes: dict[str, int] = {}
        for image, label in labels.items():
            classes[patients[image]] = max(classes.get(patients[image], 0), label)
        drawn = self._parts.parts(classes)
        return {image: drawn[patients[image]] for image in labels}
