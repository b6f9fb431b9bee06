"""CoCa: Contrast on the unimodal half of a text decoder, captioning on its multimodal half."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class CoCa(Pretrainer):
    """Contrast on the unimodal half of a text decoder, captioning on its multimodal half."""

    paper = Paper(
        "CoCa: Contrastive Captioners are Image-Text Foundation Models",
        "Yu et al.",
        2022,
        "arXiv:2205.01917",
    )
