"""Data sets of texts alone."""

from concord.data.benchmarks.text.sentences import ScoredSentences

__all__ = ["ScoredSentences"]
