"""Which examples of a source are trained on: small predicates, each counting what it drops."""

from concord.data.filters.candidate import Candidate
from concord.data.filters.filtered import Filter, Filtered
from concord.data.filters.limits import DuplicateCaptions, Limit
from concord.data.filters.predicates import AspectRatio, CaptionLength, ImageSize, Language, Predicate, Score

__all__ = [
    "AspectRatio",
    "Candidate",
    "CaptionLength",
    "DuplicateCaptions",
    "Filter",
    "Filtered",
    "ImageSize",
    "Language",
    "Limit",
    "Predicate",
    "Score",
]
