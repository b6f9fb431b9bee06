"""CLIP: Symmetric InfoNCE between images and captions: matching pairs attract, all others in the batch repel."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class CLIP(Pretrainer):
    """Symmetric InfoNCE between images and captions: matching pairs attract, all others in the batch repel."""

    paper = Paper(
        "Learning Transferable Visual Models From Natural Language Supervision",
        "Radford et al.",
        2021,
        "arXiv:2103.00020",
    )
