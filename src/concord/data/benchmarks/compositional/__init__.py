"""Readers of compositional tests: each parses one published layout into the items of `concord.items`."""

from concord.data.benchmarks.compositional.crepe import CrepeProductivity, CrepeSystematicity
from concord.data.benchmarks.compositional.edited_images import BiVLC, InpaintCOCO
from concord.data.benchmarks.compositional.imagecode import ImageCoDe
from concord.data.benchmarks.compositional.mmvp import MMVP
from concord.data.benchmarks.compositional.negatives import NegativeCaptions
from concord.data.benchmarks.compositional.negbench import NegBench
from concord.data.benchmarks.compositional.object_scenes import ObjectScenes
from concord.data.benchmarks.compositional.pairs_of_images import Cola, EqBen
from concord.data.benchmarks.compositional.questions import Questions
from concord.data.benchmarks.compositional.spec import Spec
from concord.data.benchmarks.compositional.sugar_crepe import SugarCrepe, SugarCrepePlus
from concord.data.benchmarks.compositional.svo import ComVG, SVOProbes
from concord.data.benchmarks.compositional.valse import Valse
from concord.data.benchmarks.compositional.visual_genome import VGAttribution, VGRelation
from concord.data.benchmarks.compositional.vl_checklist import VLCheckList
from concord.data.benchmarks.compositional.whats_up import SpatialQuestions, WhatsUp
from concord.data.benchmarks.compositional.winogavil import WinoGAViL
from concord.data.benchmarks.compositional.winoground import ColorSwap, Winoground
from concord.data.benchmarks.compositional.word_order import WordOrder

__all__ = [
    "MMVP",
    "BiVLC",
    "Cola",
    "ColorSwap",
    "ComVG",
    "CrepeProductivity",
    "CrepeSystematicity",
    "EqBen",
    "ImageCoDe",
    "InpaintCOCO",
    "NegBench",
    "NegativeCaptions",
    "ObjectScenes",
    "Questions",
    "SVOProbes",
    "SpatialQuestions",
    "Spec",
    "SugarCrepe",
    "SugarCrepePlus",
    "VGAttribution",
    "VGRelation",
    "VLCheckList",
    "Valse",
    "WhatsUp",
    "WinoGAViL",
    "Winoground",
    "WordOrder",
]
