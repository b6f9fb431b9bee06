"""LiT: a locked image tower."""

from __future__ import annotations

from concord.methods.base import Pretrainer, lock
from concord.types import Paper


class LiT(Pretrainer):
    """A locked image tower that the text tower learns to read.

    The image tower keeps its weights and its evaluation mode. Give it good ones: `model.image.pretrained=true`, or
    `checkpoint=` of an earlier run.
    """

    paper = Paper("LiT: Zero-Shot Transfer with Locked-image text Tuning", "Zhai et al.", 2022, "arXiv:2111.07991")

    def prepare(self) -> None:
        lock(self.model.image)
