"""What a compositional test gives to whoever does not look at the images."""

from concord.benchmarks.compositional.blind.baselines import Blind

__all__ = ["Blind"]
