"""Data for training and for benchmarks: sources of image-text pairs, their views, their order, and the data module."""

from concord.data.bad import BadSamples
from concord.data.filters import Filtered
from concord.data.joined import Joined
from concord.data.loader import TrainingLoader
from concord.data.meter import LoaderReport
from concord.data.mixture import Mixture
from concord.data.module import WebDataModule
from concord.data.order import Permutation, Resample, Shuffle, TrainingOrder, Windows
from concord.data.phantoms import Phantoms, PhantomSides
from concord.data.plan import DataPlan, PartPlan, ViewPlan
from concord.data.readers.coco import CocoCaptions
from concord.data.readers.flickr import FlickrTokens
from concord.data.readers.folder import Folder
from concord.data.readers.hugging_face import HuggingFace
from concord.data.readers.karpathy import Karpathy
from concord.data.readers.parquet import Parquet
from concord.data.readers.redcaps import RedCaps
from concord.data.readers.shards import Shards
from concord.data.readers.table import Table
from concord.data.readers.wit import WitBase
from concord.data.rewrites import Rewrites
from concord.data.shapes import Shapes
from concord.data.source import BadSample, KeyedSource, Source, read_captions
from concord.data.split import HashSplit
from concord.data.storage.storage import Storage
from concord.data.views import Augmentation, Views

__all__ = [
    "Augmentation",
    "BadSample",
    "BadSamples",
    "CocoCaptions",
    "DataPlan",
    "Filtered",
    "FlickrTokens",
    "Folder",
    "HashSplit",
    "HuggingFace",
    "Joined",
    "Karpathy",
    "KeyedSource",
    "LoaderReport",
    "Mixture",
    "Parquet",
    "PartPlan",
    "Permutation",
    "PhantomSides",
    "Phantoms",
    "RedCaps",
    "Resample",
    "Rewrites",
    "Shapes",
    "Shards",
    "Shuffle",
    "Source",
    "Storage",
    "Table",
    "TrainingLoader",
    "TrainingOrder",
    "ViewPlan",
    "Views",
    "WebDataModule",
    "Windows",
    "WitBase",
    "read_captions",
]
