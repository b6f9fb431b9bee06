"""NegCLIP: CLIP with word-swapped captions as hard negatives of their own image."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class NegCLIP(Pretrainer):
    """CLIP with word-swapped captions as hard negatives of their own image."""

    paper = Paper(
        "When and Why Vision-Language Models Behave like Bags-of-Words, and What to Do About It?",
        "Yuksekgonul et al.",
        2023,
        "arXiv:2210.01936",
    )
