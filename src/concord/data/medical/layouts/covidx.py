"""COVIDx (Wang et al. 2020): radiographs with and without COVID-19, put together from many collections."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from concord.data.benchmarks.classification.listed import read_lines
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import check_parts
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

logger = logging.getLogger(__name__)

CLASSES: Mapping[str, Mapping[str, str]] = {
    "three": {"normal": "normal lungs", "pneumonia": "pneumonia other than COVID-19", "COVID-19": "COVID-19 pneumonia"},
    "two": {"negative": "no COVID-19", "positive": "COVID-19 pneumonia"},
}
"""By their number, the labels of the lists and what prompts call them."""

FOLDERS: Mapping[str, str] = {"train": "train", "validation": "val", "test": "test"}
TYPOS: Mapping[str, str] = {"rnsa": "rsna"}

TELLING = 0.9
"""Share of pictures whose class their source tells, above which a warning is due."""


class Line(NamedTuple):
    """One picture of a list.

    Attributes:
        patient: as its source numbers them.
        file: its name, which may hold spaces.
        label: a key of the classes.
        source: the collection it is of; "" where the list does not say.
    """

    patient: str
    file: str
    label: str
    source: str


class COVIDx(Layout):
    """Lists with a line per picture, "PATIENT FILE LABEL SOURCE", the first releases without the source; pictures in `train/`,
    `val/` and `test/`.

    Where the source of a picture tells its class, a warning gives the shares: a model may then answer by the look of a hospital's
    machine. In the test part of COVIDx 9B all negatives are of one collection, and all positives of another.

    Args:
        path: the folder, or its URL.
        lists: by part the list, below `path`.
        classes: "three" for releases up to 9A (normal, pneumonia, COVID-19), "two" for 9B and the CXR releases.
    """

    name = "covidx"
    modality = "radiograph"

    def __init__(self, path: str, lists: dict[str, str], classes: Literal["two", "three"] = "two") -> None:
        check_parts(lists)
        self.root = path
        self.class_names = list(CLASSES[classes].values())
        self._labels = list(CLASSES[classes])
        self._lists = lists

    def exams(self, storage: Storage) -> Iterator[Exam]:
        for part, file in self._lists.items():
            lines = self._lines(storage, below(self.root, file))
            if said := told_by_source(lines):
                logger.warning("%s, %s part: %s", self.name, part, said)
            for line in lines:
                yield self._exam(part, line)  # type: ignore[arg-type]

    def _lines(self, storage: Storage, file: str) -> list[Line]:
        place = without_secrets(file)
        numbered = enumerate(read_lines(file, storage), start=1)
        lines = [line_of(text, self._labels, f"{place}, line {number}") for number, text in numbered if text.strip()]
        if not lines:
            raise DataError(f"{place}: no picture in it")
        return lines

    def _exam(self, part: Split, line: Line) -> Exam:
        """Collections number their patients each from 1, so that the source is part of a patient's name."""
        patient = f"{line.source}/{line.patient}" if line.source else line.patient
        label = self._labels.index(line.label)
        return Exam(f"{FOLDERS[part]}/{line.file}", patient, split=part, label=label, known={"source": line.source})


def line_of(text: str, labels: Sequence[str], place: str) -> Line:
    """A line of a list, read from both ends, as names of files may hold spaces.

    Raises:
        DataError: where neither the last word nor the one before is a label.
    """
    words = text.split()
    for after in (0, 1):
        if len(words) >= 3 + after and words[-1 - after] in labels:
            source = words[-1].lower() if after else ""
            file = text.strip().split(maxsplit=1)[1].rsplit(maxsplit=1 + after)[0]
            return Line(words[0], file, words[-1 - after], TYPOS.get(source, source))
    raise DataError(f"{place}: expected PATIENT FILE LABEL SOURCE with a label among {', '.join(labels)}; is it a list of these classes?")


def told_by_source(lines: Sequence[Line]) -> str:
    """How well the source of a picture tells its class, in words; "" where it does not, or is not known.

    The share is that of the pictures which belong to the commonest class of their source: what who sees nothing but the source
    would get right. It is compared with naming the commonest class of all.
    """
    sources: dict[str, Counter[str]] = {}
    for line in lines:
        sources.setdefault(line.source, Counter())[line.label] += 1
    labels = Counter(line.label for line in lines)
    share, blind = (sum(max(counts.values()) for counts in parts) / len(lines) for parts in (list(sources.values()), [labels]))
    if share < TELLING or len(labels) < 2 or share <= blind:
        return ""
    shares = "; ".join(f"{label}: {_shares(label, sources, count)}" for label, count in sorted(labels.items()))
    return (
        f"the source alone tells the class of {share:.0%} of the pictures ({blind:.0%} by always naming the commonest class), "
        f"so that a good number may be about sources ({shares})"
    )


def _shares(label: str, sources: Mapping[str, Counter[str]], count: int) -> str:
    by_size = sorted(((counts[label], source) for source, counts in sources.items() if counts[label]), reverse=True)
    return ", ".join(f"{number / count:.0%} {source or 'unnamed'}" for number, source in by_size)
