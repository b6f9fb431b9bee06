"""Towers, poolers, decoders, similarities, and the dual encoder that joins them."""

from __future__ import annotations

from concord.models.decoder import CaptionDecoder
from concord.models.dual_encoder import DualEncoder
from concord.models.hf_text_tower import HFTextTower
from concord.models.image_tower import ImageTower
from concord.models.similarity import Cosine, LateInteraction, Lorentz, Similarity, TextConditioned
from concord.models.text_tower import TextTower

__all__ = [
    "CaptionDecoder",
    "Cosine",
    "DualEncoder",
    "HFTextTower",
    "ImageTower",
    "LateInteraction",
    "Lorentz",
    "Similarity",
    "TextConditioned",
    "TextTower",
]
