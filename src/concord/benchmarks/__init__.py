"""Benchmarks: one bench that measures any model the same way, in training and after it."""

from concord.benchmarks.adapters import Embedder, as_scorer
from concord.benchmarks.bench import Bench, Spent
from concord.benchmarks.cache import EmbeddingCache
from concord.benchmarks.classification.multi_label import ZeroShotMultiLabel
from concord.benchmarks.classification.openness import Openness
from concord.benchmarks.classification.zero_shot import ZeroShotClassification
from concord.benchmarks.comparison import Comparison, compare_answers
from concord.benchmarks.compositional.blind import Blind
from concord.benchmarks.compositional.compositional import Compositional
from concord.benchmarks.compositional.object_bias import ObjectBias
from concord.benchmarks.dense import RegionPick, Segmentation
from concord.benchmarks.diagnostics import Diagnostics, Sts, TextOrder, cka
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.probes import KNN, FewShot, LinearProbe
from concord.benchmarks.protocol import Reader, Scorer
from concord.benchmarks.records import Answers, Record, Results, read_records
from concord.benchmarks.retrieval.composed import ComposedRetrieval
from concord.benchmarks.retrieval.image_retrieval import ImageRetrieval
from concord.benchmarks.retrieval.retrieval import Retrieval
from concord.benchmarks.retrieval.search import VectorIndex
from concord.benchmarks.summaries import EffectiveRobustness, Mean, RelativeDrop, Summary
from concord.benchmarks.tables import read_predictions
from concord.benchmarks.task import Task

__all__ = [
    "KNN",
    "Answers",
    "Bench",
    "Blind",
    "Candidate",
    "Comparison",
    "ComposedRetrieval",
    "Compositional",
    "Diagnostics",
    "EffectiveRobustness",
    "Embedder",
    "EmbeddingCache",
    "FewShot",
    "GalleryItem",
    "ImageRetrieval",
    "LinearProbe",
    "Mean",
    "ObjectBias",
    "Openness",
    "Reader",
    "Record",
    "RegionPick",
    "RelativeDrop",
    "Results",
    "Retrieval",
    "Scorer",
    "Segmentation",
    "Spent",
    "Sts",
    "Summary",
    "Task",
    "TextOrder",
    "VectorIndex",
    "ZeroShotClassification",
    "ZeroShotMultiLabel",
    "as_scorer",
    "cka",
    "compare_answers",
    "read_predictions",
    "read_records",
]
