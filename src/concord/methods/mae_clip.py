"""MAECLIP: CLIP whose image tower also reconstructs masked pixels."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class MAECLIP(Pretrainer):
    """CLIP whose image tower also reconstructs masked pixels."""

    paper = Paper(
        "Masked Autoencoding Does Not Help Natural Language Supervision at Scale",
        "Weers et al.",
        2023,
        "arXiv:2301.07836",
    )
