"""SigLIP: Every image-text cell of the batch is an independent yes/no question, scored by a sigmoid."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class SigLIP(Pretrainer):
    """Every image-text cell of the batch is an independent yes/no question, scored by a sigmoid."""

    paper = Paper(
        "Sigmoid Loss for Language Image Pre-Training",
        "Zhai et al.",
        2023,
        "arXiv:2303.15343",
    )
