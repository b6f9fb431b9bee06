"""Scenes: what is in a picture and where, drawn from a random stream. Lengths are shares of the image side, y points down."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from concord.data.shapes.vocabulary import COLOUR_NAMES, SHAPES, SIZES, TEXTURES, Split, draw_texture

Relation = Literal["left", "right", "above", "below"]
OPPOSITE: dict[Relation, Relation] = {"left": "right", "right": "left", "above": "below", "below": "above"}

PLACES: dict[str, tuple[float, float]] = {
    "centre": (0.5, 0.5),
    "top left": (0.1, 0.1),
    "top right": (0.9, 0.1),
    "bottom left": (0.1, 0.9),
    "bottom right": (0.9, 0.9),
}
"""Where a single object may be: how far along the free way in x and in y."""

GAP = 0.03
"""Least distance between two objects."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an object looks like, in words."""

    shape: str
    colour: str
    texture: str
    size: str


@dataclass(frozen=True, slots=True)
class Thing:
    """An object in its place: `x`, `y` its centre, `diameter` the side of the box around it."""

    look: Look
    x: float
    y: float
    diameter: float
    phase: tuple[float, float]
    """Where its texture starts, in periods."""


@dataclass(frozen=True, slots=True)
class Background:
    """A grey `tone` whose `level` (0 to 255) rises by `slope` grey levels from one side to the other, in x and in y."""

    tone: Literal["light", "dark"]
    level: float
    slope: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """One to three things that differ in colour and in shape.

    Attributes:
        things: the first is the subject of the relations.
        relations: of things[0] to things[1], to things[2]: `left` means that things[0] is to the left of the other.
        place: for a single thing, where it is, a key of `PLACES`; else None.
    """

    things: tuple[Thing, ...]
    relations: tuple[Relation, ...]
    place: str | None
    background: Background


def draw_scene(rng: Random, split: Split, count: int, label: int | None = None) -> Scene:
    """Draw a scene of `count` things; the first is of class `label` where one is given."""
    looks = _draw_looks(rng, split, count, label)
    diameters = [rng.uniform(*SIZES[look.size]) for look in looks]
    relations: tuple[Relation, ...] = ()
    place = None
    if count == 1:
        place = rng.choice(tuple(PLACES))
        centres = [_single(rng, place, diameters[0])]
    elif count == 2:
        relations = (rng.choice(tuple(OPPOSITE)),)
        centres = _pair(rng, relations[0], diameters)
    else:
        relations, centres = _corner(rng, diameters)
    things = tuple(
        Thing(look, x, y, diameter, (rng.random(), rng.random())) for look, diameter, (x, y) in zip(looks, diameters, centres, strict=True)
    )
    return Scene(things, relations, place, _draw_background(rng))


def _draw_looks(rng: Random, split: Split, count: int, label: int | None) -> list[Look]:
    colours = rng.sample(range(len(COLOUR_NAMES)), count)
    shapes = rng.sample(range(len(SHAPES)), count)
    if label is not None:
        _put_first(colours, label // len(SHAPES))
        _put_first(shapes, label % len(SHAPES))
    return [
        Look(SHAPES[shape], COLOUR_NAMES[colour], TEXTURES[draw_texture(rng, split, colour, shape)], rng.choice(tuple(SIZES)))
        for colour, shape in zip(colours, shapes, strict=True)
    ]


def _put_first(values: list[int], first: int) -> None:
    """Make `first` the first of these distinct values, which stay distinct."""
    if first in values:
        values[values.index(first)] = values[0]
    values[0] = first


def _draw_background(rng: Random) -> Background:
    slope = (rng.uniform(-15, 15), rng.uniform(-15, 15))
    if rng.random() < 0.5:
        return Background("light", rng.uniform(205, 235), slope)
    return Background("dark", rng.uniform(20, 50), slope)


def _single(rng: Random, place: str, diameter: float) -> tuple[float, float]:
    free = 1 - diameter
    low = diameter / 2
    x, y = (low + free * (along + rng.uniform(-0.1, 0.1)) for along in PLACES[place])
    return x, y


def _pair(rng: Random, relation: Relation, diameters: list[float]) -> list[tuple[float, float]]:
    """Two centres of which the first is `relation` of the second, further apart along that axis than across it."""
    first, second = (0, 1) if relation in ("left", "above") else (1, 0)
    slack = 1 - GAP - diameters[0] - diameters[1]
    before, between = sorted((rng.random() * slack, rng.random() * slack))
    along = [0.0, 0.0]
    along[first] = before + diameters[first] / 2
    along[second] = between + GAP + diameters[first] + diameters[second] / 2
    reach = 0.6 * (along[second] - along[first])
    across = [_within(rng, diameters[0], 0, 1)]
    across.append(_within(rng, diameters[1], across[0] - reach, across[0] + reach))
    if relation in ("left", "right"):
        return list(zip(along, across, strict=True))
    return list(zip(across, along, strict=True))


def _within(rng: Random, diameter: float, low: float, high: float) -> float:
    """A coordinate between `low` and `high` at which the object stays inside the image."""
    return rng.uniform(max(low, diameter / 2), min(high, 1 - diameter / 2))


def _corner(rng: Random, diameters: list[float]) -> tuple[tuple[Relation, ...], list[tuple[float, float]]]:
    """Three centres in three quarters of the image: things[0] beside one of the others, and above or below the other."""
    column, row = rng.randrange(2), rng.randrange(2)
    quarters = [(column, row), (1 - column, row), (column, 1 - row)]
    horizontal: Relation = "right" if column else "left"
    vertical: Relation = "below" if row else "above"
    relations = [horizontal, vertical]
    if rng.random() < 0.5:
        relations.reverse()
        quarters[1], quarters[2] = quarters[2], quarters[1]
    centres = [
        (_in_half(rng, diameter, column), _in_half(rng, diameter, row)) for diameter, (column, row) in zip(diameters, quarters, strict=True)
    ]
    return tuple(relations), centres


def _in_half(rng: Random, diameter: float, half: int) -> float:
    margin = (diameter + GAP) / 2
    return half / 2 + rng.uniform(margin, 0.5 - margin)
