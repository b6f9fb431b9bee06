"""Readers of tests about places in images: masks of classes, and boxes that sentences are about."""

from concord.data.benchmarks.dense.referring import ReferringBoxes
from concord.data.benchmarks.dense.segmented import SegmentedFolder

__all__ = ["ReferringBoxes", "SegmentedFolder"]
