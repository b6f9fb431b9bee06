"""Procedural scenes of coloured shapes with captions: the data set that the suite carries with it."""

from concord.data.shapes.source import Shapes

__all__ = ["Shapes"]
