"""Tests of what a model says of places: classes of pixels, and boxes that sentences are about."""

from concord.benchmarks.dense.region_pick import RegionPick
from concord.benchmarks.dense.segmentation import Segmentation

__all__ = ["RegionPick", "Segmentation"]
