"""What data sets of published figures share: splits that cut through articles, and lists that may be missing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from concord.data.medical.exams import Exam, Split
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage, StorageError

logger = logging.getLogger(__name__)

PMC = "pmc"
"""The cohort of data sets whose patients are articles of PubMed Central, so that one can leave out the articles of another."""

LATER: Mapping[Split, tuple[Split, ...]] = {"": (), "test": (), "validation": ("test",), "train": ("validation", "test")}
"""By split those that an article belongs to rather than to it."""


def apart(name: str, exams: Iterable[Exam]) -> Iterator[Exam]:
    """Exams whose splits share no article: what stands in train or validation and comes from an article of a later split is put
    into no split, so that tests stay as they were published. A warning counts what is left out."""
    listed = list(exams)
    articles = {split: {exam.patient for exam in listed if exam.split == split} for split in LATER}
    left_out = 0
    for exam in listed:
        if any(exam.patient in articles[later] for later in LATER[exam.split]):
            left_out += 1
            exam = replace(exam, split="")
        yield exam
    if left_out:
        logger.warning("%s: %d pictures are left out of their split, as a later one has others of their article", name, left_out)


def pmc_id(text: str) -> str:
    """An article of PubMed Central as its picture's name begins with it or its number says it: always "PMC9000001"."""
    article = text.strip().partition("_")[0]
    return f"PMC{article}" if article.isdigit() else article


def first_there(storage: Storage, files: Iterable[str]) -> str | None:
    """The first of these files that exists."""
    return next((file for file in files if is_there(storage, file)), None)


def is_there(storage: Storage, file: str) -> bool:
    try:
        return storage.state(file).size >= 0
    except StorageError:
        return False


def warn_of_lonely(name: str, file: str) -> None:
    """Say that articles are not known."""
    logger.warning("%s: %s does not name the articles; every picture counts as one of its own", name, without_secrets(file))
