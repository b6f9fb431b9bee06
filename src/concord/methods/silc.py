"""SILC: CLIP with local-to-global self-distillation from an EMA teacher of the image tower."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class SILC(Pretrainer):
    """CLIP with local-to-global self-distillation from an EMA teacher of the image tower."""

    paper = Paper(
        "SILC: Improving Vision Language Pretraining with Self-Distillation",
        "Naeem et al.",
        2024,
        "arXiv:2310.13355",
    )
