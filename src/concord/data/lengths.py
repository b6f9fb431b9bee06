"""How long the captions are that training will read."""

from __future__ import annotations

from copy import copy

import numpy as np

from concord.data.order import Visits
from concord.data.source import BadSample, Source, read_captions
from concord.data.stages import stage
from concord.data.views import TextViews


class CaptionLengths:
    """The number of tokens of the caption that each visit reads, the one that `texts.choose` gives.

    Captions are read without their images where the source can do that. Visits without a caption have length 0.
    """

    def __init__(self, source: Source, texts: TextViews) -> None:
        self.source = source
        self.texts = texts
        self.tokenizer = copy(texts.tokenizer)  # a copy counts by itself: these captions are not yet those of a batch

    def __call__(self, visits: Visits) -> np.ndarray:
        with stage("read"):
            captions = [self._caption(epoch, index) for epoch, index in zip(*(part.tolist() for part in visits), strict=True)]
        with stage("tokenise"):
            lengths = self.tokenizer(captions).mask.sum(dim=-1).numpy()
        return np.where([caption != "" for caption in captions], lengths, 0)

    def _caption(self, epoch: int, index: int) -> str:
        captions = read_captions(self.source, index)
        try:
            return captions[self.texts.choose(captions, epoch, index)] if captions else ""
        except BadSample:  # no caption of a role that the policy reads
            return ""
