"""Looking at a data set before training on it: what it holds, what is wrong with it, and what the model will see of it."""

from concord.data.inspection.gallery import Card, Strip, draw_gallery
from concord.data.inspection.look import Look, Looker, look_through
from concord.data.inspection.numbers import Survey, summarise

__all__ = ["Card", "Look", "Looker", "Strip", "Survey", "draw_gallery", "look_through", "summarise"]
