"""Procedural pictures in the manner of five medical modalities, with reports. Synthetic, and of no clinical meaning."""

from concord.data.phantoms.sides import PhantomSides
from concord.data.phantoms.source import Phantoms

__all__ = ["PhantomSides", "Phantoms"]
