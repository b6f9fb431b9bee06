"""Looking at a data set before training on it: what it holds, what is wrong with it, and what the model will see of it."""

from concord.data.inspection.gallery import Card, Strip, draw_gallery
from concord.data.inspection.look import Look, Looker, look_through
from concord.data.inspection.numbers import Survey, summarise
from concord.data.inspection.overlap import Hashes, Overlap, hashes_of, same_looks, same_names

__all__ = [
    "Card",
    "Hashes",
    "Look",
    "Looker",
    "Overlap",
    "Strip",
    "Survey",
    "draw_gallery",
    "hashes_of",
    "look_through",
    "same_looks",
    "same_names",
    "summarise",
]
