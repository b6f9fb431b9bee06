"""Diagnostics: how an embedding space is used, and what a text tower makes of words."""

from concord.benchmarks.diagnostics.kernels import cka
from concord.benchmarks.diagnostics.sentences import Sts
from concord.benchmarks.diagnostics.space import Diagnostics
from concord.benchmarks.diagnostics.text_order import TextOrder

__all__ = ["Diagnostics", "Sts", "TextOrder", "cka"]
