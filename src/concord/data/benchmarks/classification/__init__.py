"""Data sets of classification: pictures with one class each, or with several."""

from concord.data.benchmarks.classification.folder import LabelledFolder, LabelledNames
from concord.data.benchmarks.classification.hugging_face import LabelledHuggingFace
from concord.data.benchmarks.classification.labelled import Labelled
from concord.data.benchmarks.classification.listed import FileList, SplitFile
from concord.data.benchmarks.classification.object_net import ObjectNet
from concord.data.benchmarks.classification.table import LabelledTable
from concord.data.benchmarks.classification.torchvision import Torchvision
from concord.data.benchmarks.classification.wds import WebDatasetCaptions, WebDatasetLayout

__all__ = [
    "FileList",
    "Labelled",
    "LabelledFolder",
    "LabelledHuggingFace",
    "LabelledNames",
    "LabelledTable",
    "ObjectNet",
    "SplitFile",
    "Torchvision",
    "WebDatasetCaptions",
    "WebDatasetLayout",
]
