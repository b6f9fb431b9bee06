"""Readers of retrieval tests: sources of images with captions, and sets of composed questions."""

from __future__ import annotations

from concord.data.benchmarks.retrieval.composed import Circo, Cirr, FashionIQ
from concord.data.benchmarks.retrieval.judged import NumberedCoco, judged_grades, judged_matches
from concord.data.benchmarks.retrieval.lists import CaptionFiles, CocoCN, Conversations, DescribedImages, NameCommaCaption
from concord.data.benchmarks.retrieval.multilingual import Crossmodal3600, LineAligned

__all__ = [
    "CaptionFiles",
    "Circo",
    "Cirr",
    "CocoCN",
    "Conversations",
    "Crossmodal3600",
    "DescribedImages",
    "FashionIQ",
    "LineAligned",
    "NameCommaCaption",
    "NumberedCoco",
    "judged_grades",
    "judged_matches",
]
