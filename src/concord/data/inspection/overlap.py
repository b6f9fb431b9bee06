"""What training data share with the data sets of a benchmark: patients and pictures by their names, and pictures by their looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from concord.access import guarding, is_guarded
from concord.data.medical.parts import medical_parts, patients_in
from concord.data.parallel import in_chunks
from concord.data.source import KeyedSource, Source, key_of
from concord.errors import DataError, MissingExtraError
from concord.images import decode

BITS = 64
"""Of a perceptual hash."""

NEAR = 4
"""Bits in which the hashes of two pictures that look the same may differ: what another size or compression changes."""

SHOWN = 5
"""Examples that are named."""

BLOCK = 1024
"""Pictures of a test that are compared at once: with N pictures for training that takes 4 N KiB."""


@dataclass(frozen=True)
class Hashes:
    """How some pictures of a source look.

    Attributes:
        indices: int64 [n], of those that could be read.
        bits: whether each bit of the perceptual hash is set, bool [n, 64].
    """

    indices: np.ndarray
    bits: np.ndarray


@dataclass(frozen=True)
class Overlap:
    """What is shared with one data set of the benchmark. Numbers are of the test's side; None: it cannot be told, or was not asked.

    Attributes:
        tasks: that measure on it.
        dataset: its name.
        examples: in it.
        patients, same_patients: in it, and those of them that the training data have.
        same_names: its examples that the training data have by name: those of the same cohort, or of the same data set.
        same_looks: its examples that look like one of the training data (perceptual hashes that differ in at most `NEAR` bits).
        such_as: names of some that look the same, training first; none of guarded data.
    """

    tasks: tuple[str, ...]
    dataset: str
    examples: int
    patients: int | None = None
    same_patients: int | None = None
    same_names: int | None = None
    same_looks: int | None = None
    such_as: tuple[tuple[str, str], ...] = ()


class Hasher:
    """Perceptual hashes of pictures (pHash: the signs of the low frequencies of a picture of 32 x 32 grey values, against their
    median; Zauner 2010), by the package `imagehash`.

    Raises:
        MissingExtraError: without the package.
    """

    def __init__(self, source: Source) -> None:
        try:
            import imagehash
        except ImportError:
            raise MissingExtraError("imagehash", "medical") from None
        self.source = source
        self._hash = imagehash.phash

    def __call__(self, indices: Sequence[int]) -> Hashes:
        found = [(index, bits) for index in indices if (bits := self._one(index)) is not None]
        bits = np.array([bits for _, bits in found], dtype=bool).reshape(len(found), BITS)
        return Hashes(np.array([index for index, _ in found], dtype=np.int64), bits)

    def _one(self, index: int) -> np.ndarray | None:
        """None for a picture that cannot be read."""
        with guarding(self.source):
            try:
                return np.asarray(self._hash(decode(self.source[index].image)).hash, dtype=bool).ravel()
            except DataError:
                return None


def hashes_of(source: Source, indices: Sequence[int], workers: int, report: Callable[[int], None]) -> Hashes:
    """How these examples look; see `Hasher` and `look_through`."""
    parts = []
    for count, part in in_chunks(Hasher(source), indices, workers):
        parts.append(part)
        report(count)
    return Hashes(np.concatenate([part.indices for part in parts]), np.concatenate([part.bits for part in parts]))


def same_names(source: Source, test: Source) -> Overlap:
    """How many patients and pictures of a test's data set are in a source, by their names.

    Names are compared within a cohort; of other kinds of data, within data sets of the same name.
    """
    overlap = Overlap((), test.name, len(test))
    theirs = patients_in(test)
    if theirs:
        ours = patients_in(source)
        shared = sum(len(patients & ours.get(cohort, set())) for cohort, patients in theirs.items())
        names = len(_pictures(test) & _pictures(source))
        return replace(overlap, patients=sum(map(len, theirs.values())), same_patients=shared, same_names=names)
    if isinstance(source, KeyedSource) and isinstance(test, KeyedSource) and source.name == test.name:
        ours_too = {source.key(index) for index in range(len(source))}
        return replace(overlap, same_names=sum(test.key(index) in ours_too for index in range(len(test))))
    return overlap


def same_looks(overlap: Overlap, source: Source, ours: Hashes, test: Source, theirs: Hashes) -> Overlap:
    """The same with how many pictures of the test look like one of the source, of those that were hashed."""
    nearest, distances = _nearest(ours.bits, theirs.bits)
    rows = np.flatnonzero(distances <= NEAR)
    such_as: tuple[tuple[str, str], ...] = ()
    if not is_guarded(source) and not is_guarded(test):
        pairs = [(int(ours.indices[nearest[row]]), int(theirs.indices[row])) for row in rows[:SHOWN].tolist()]
        such_as = tuple((key_of(source, one), key_of(test, other)) for one, other in pairs)
    return replace(overlap, same_looks=len(rows), such_as=such_as)


def _pictures(source: object) -> set[str]:
    """Pictures by cohort and by what their names are in every release."""
    parts = ((part.cohort, part.exams.take(indices)) for part, indices in medical_parts(source))
    return {f"{cohort}/{identity}" for cohort, exams in parts for identity in exams.identities()}


def _nearest(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of theirs, bool [M, 64], the place of the nearest of ours, bool [N, 64], and in how many bits it differs, [M]."""
    if not len(ours):
        return np.zeros(len(theirs), dtype=np.int64), np.full(len(theirs), BITS)
    signs = np.where(ours, np.float32(1), np.float32(-1))
    places, distances = [], []
    for start in range(0, len(theirs), BLOCK):
        agreement = np.where(theirs[start : start + BLOCK], np.float32(1), np.float32(-1)) @ signs.T
        places.append(agreement.argmax(axis=1))
        distances.append((BITS - agreement.max(axis=1)) / 2)
    return np.concatenate([np.empty(0, np.int64), *places]), np.concatenate([np.empty(0), *distances])
