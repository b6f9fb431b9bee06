"""MERU: Contrast by hyperbolic distance, with cones that make text entail its image."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class MERU(Pretrainer):
    """Contrast by hyperbolic distance, with cones that make text entail its image."""

    paper = Paper(
        "Hyperbolic Image-Text Representations",
        "Desai et al.",
        2023,
        "arXiv:2304.09172",
    )
