"""ConVIRT: Images against single sentences of their reports, with image-to-text weighted three to one."""

from __future__ import annotations

from concord.methods.base import Pretrainer
from concord.types import Paper


class ConVIRT(Pretrainer):
    """Images against single sentences of their reports, with image-to-text weighted three to one."""

    paper = Paper(
        "Contrastive Learning of Medical Visual Representations from Paired Images and Text",
        "Zhang et al.",
        2020,
        "arXiv:2010.00747",
    )
