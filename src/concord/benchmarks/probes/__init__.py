"""Probes: what can be learned from frozen features."""

from concord.benchmarks.probes.few_shot import FewShot
from concord.benchmarks.probes.linear import LinearProbe
from concord.benchmarks.probes.neighbours import KNN
from concord.benchmarks.probes.seen import Probe

__all__ = ["KNN", "FewShot", "LinearProbe", "Probe"]
