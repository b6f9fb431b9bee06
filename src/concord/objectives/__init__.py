"""Objectives: the terms of the training loss, one class per term, composable on any model that can carry them."""

from __future__ import annotations

from concord.objectives.base import Objective, Step, Terms
from concord.objectives.captioning import Captioning
from concord.objectives.clip import InfoNCE
from concord.objectives.entailment import Entailment
from concord.objectives.filip import FILIP
from concord.objectives.mae import MAE
from concord.objectives.neg_clip import NegCLIP
from concord.objectives.self_distillation import SelfDistillation
from concord.objectives.siglip import PairwiseSigmoid
from concord.objectives.simclr import SimCLR

__all__ = [
    "FILIP",
    "MAE",
    "Captioning",
    "Entailment",
    "InfoNCE",
    "NegCLIP",
    "Objective",
    "PairwiseSigmoid",
    "SelfDistillation",
    "SimCLR",
    "Step",
    "Terms",
]
