"""The randomness of views: a pure function of what is drawn, for which example, at which visit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random

from concord.errors import ConfigError, nearest
from concord.types import ImageView, TextView


def generator(seed: int, epoch: int, index: int, purpose: str) -> Random:
    """The randomness of one purpose at one visit of an example; a text seed is hashed, so that neighbours are unrelated."""
    return Random(f"{seed}/{epoch}/{index}/{purpose}")


def check_recipes(views: Mapping[str, ImageView | TextView], known: Collection[str], complaint: str) -> None:
    """Refuse views whose recipe is not known.

    Raises:
        ConfigError: naming the view and the nearest recipe.
    """
    for name, view in views.items():
        if view.recipe not in known:
            raise ConfigError(f"{complaint} {view.recipe!r}, which view {name!r} asks for; {nearest(view.recipe, known)}")
        if view.count < 1:
            raise ConfigError(f"view {name!r} must have a count of at least 1, got {view.count}")
