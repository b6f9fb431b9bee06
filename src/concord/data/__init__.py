"""Data for training and for benchmarks: sources of image-text pairs, their views, their order, and the data module."""

from concord.data.augment import Augmentation
from concord.data.folder import Folder
from concord.data.loader import BadSamples, TrainingLoader
from concord.data.module import DataPlan, ViewPlan, WebDataModule
from concord.data.order import Permutation, TrainingOrder
from concord.data.phantoms import Phantoms
from concord.data.shapes import Shapes
from concord.data.shards import Shards
from concord.data.source import BadSample, KeyedSource, Source, read_captions
from concord.data.split import HashSplit
from concord.data.table import Table
from concord.data.views import Views

__all__ = [
    "Augmentation",
    "BadSample",
    "BadSamples",
    "DataPlan",
    "Folder",
    "HashSplit",
    "KeyedSource",
    "Permutation",
    "Phantoms",
    "Shapes",
    "Shards",
    "Source",
    "Table",
    "TrainingLoader",
    "TrainingOrder",
    "ViewPlan",
    "Views",
    "WebDataModule",
    "read_captions",
]
