"""What a scene can show, and which combinations training never sees."""

from __future__ import annotations

from random import Random
from typing import Literal

Split = Literal["train", "held_out"]

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "crescent")
TEXTURES = ("solid", "striped", "dotted", "checkered")

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 24, 30),
    "orange": (250, 130, 10),
    "yellow": (240, 222, 20),
    "green": (20, 150, 40),
    "cyan": (20, 205, 220),
    "blue": (25, 65, 225),
    "purple": (125, 30, 170),
    "pink": (250, 110, 185),
}
"""sRGB, 0 to 255. No grey, brown, black or white: those are backgrounds, or shades of the others."""

SIZES: dict[str, tuple[float, float]] = {"small": (0.30, 0.33), "large": (0.44, 0.47)}
"""Lowest and highest diameter, as a share of the image side. The largest fits into a quarter of the image."""

CLASS_NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
"""The 64 colour-shape classes; the label of colour c and shape s is 8 c + s."""

COLOUR_NAMES = tuple(COLOURS)


def held_out_texture(colour: int, shape: int) -> int:
    """The texture that training never shows on this colour and shape.

    A Latin square over colours and shapes: every class, every colour and every shape appears in both splits, and each
    texture is held out for a quarter of the classes.
    """
    return (colour + shape) % len(TEXTURES)


def draw_texture(rng: Random, split: Split, colour: int, shape: int) -> int:
    """A texture that the split allows for this colour and shape."""
    held_out = held_out_texture(colour, shape)
    if split == "held_out":
        return held_out
    return (held_out + 1 + rng.randrange(len(TEXTURES) - 1)) % len(TEXTURES)
