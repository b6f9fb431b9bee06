"""LiT: a locked image tower."""

from __future__ import annotations

from concord.errors import IncompatibleError
from concord.methods.base import Pretrainer
from concord.types import Paper


class LiT(Pretrainer):
    """A locked image tower that the text tower learns to read.

    The image tower keeps its weights and its evaluation mode (`tuning=locked_image`). Give it good ones:
    `model.image.pretrained=true`, or `checkpoint=` of an earlier run.

    Raises:
        IncompatibleError: an image tower that is trained whole, beside what `Pretrainer` raises.
    """

    paper = Paper("LiT: Zero-Shot Transfer with Locked-image text Tuning", "Zhai et al.", 2022, "arXiv:2111.07991")

    def prepare(self) -> None:
        if all(parameter.requires_grad for parameter in self.model.image.parameters()):
            raise IncompatibleError("LiT reads a locked image tower, and tuning trains all of it; use tuning=locked_image or method=clip")
