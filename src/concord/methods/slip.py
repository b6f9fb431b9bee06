"""SLIP: CLIP with SimCLR self-supervision on two more views of each image."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class SLIP(Pretrainer):
    """CLIP with SimCLR self-supervision on two more views of each image."""

    paper = Paper(
        "SLIP: Self-supervision Meets Language-Image Pre-training",
        "Mu et al.",
        2022,
        "arXiv:2112.12750",
    )
