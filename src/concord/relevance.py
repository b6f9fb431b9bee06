"""Which captions fit which images, as people judged it: readers of such files write it, retrieval counts with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CAPTION_IDS = "caption_ids"
"""Metadata of a pair that name its captions, a list of texts as long as `Pair.captions`."""

Grades = Mapping[str, Mapping[str, float]]
"""By query, by candidate: how well the two fit."""


@dataclass(frozen=True)
class Relevance:
    """Judgements that take the place of the pairs of a data set (ECCV Caption, Crisscrossed Captions).

    Images go by the key of their pair, captions by their id in the metadata of the pair (`CAPTION_IDS`). The two directions
    stand on their own, since judges often looked at the best candidates of some queries only.

    Args:
        captions_of: by image that is a query, the grade of every caption that fits it, above 0. Captions that are not named
            have grade 0.
        images_of: by caption that is a query, the grade of every image that fits it.
        right_from: the least grade that counts as right where a metric knows right and wrong only.
    """

    captions_of: Grades
    images_of: Grades
    right_from: float = 1.0

    def __post_init__(self) -> None:
        if not self.right_from > 0:
            raise ValueError(f"right_from must be above 0, got {self.right_from}")
        for grades in (self.captions_of, self.images_of):
            for query, fits in grades.items():
                if not all(grade > 0 for grade in fits.values()):
                    raise ValueError(f"grades must be above 0, got {min(fits.values())} for {query}")

    @property
    def graded(self) -> bool:
        """Whether there is more than right and wrong."""
        grades = {grade for side in (self.captions_of, self.images_of) for fits in side.values() for grade in fits.values()}
        return len(grades) > 1
