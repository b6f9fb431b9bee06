"""FILIP: Contrast by token-wise late interaction: every patch and every word picks its best counterpart."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class FILIP(Pretrainer):
    """Contrast by token-wise late interaction: every patch and every word picks its best counterpart."""

    paper = Paper(
        "FILIP: Fine-grained Interactive Language-Image Pre-Training",
        "Yao et al.",
        2022,
        "arXiv:2111.07783",
    )
