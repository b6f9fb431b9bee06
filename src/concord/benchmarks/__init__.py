"""Benchmarks: one bench that measures any model the same way, in training and after it."""

from concord.benchmarks.bench import Bench
from concord.benchmarks.compositional import Compositional
from concord.benchmarks.diagnostics import Diagnostics
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.protocol import Reader, Scorer
from concord.benchmarks.records import Record, Results, read_records
from concord.benchmarks.retrieval import Retrieval
from concord.benchmarks.task import Task
from concord.benchmarks.zero_shot import ZeroShotClassification

__all__ = [
    "Bench",
    "Candidate",
    "Compositional",
    "Diagnostics",
    "GalleryItem",
    "Reader",
    "Record",
    "Results",
    "Retrieval",
    "Scorer",
    "Task",
    "ZeroShotClassification",
    "read_records",
]
