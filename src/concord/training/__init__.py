"""Everything between a method and a trained model: optimizers, schedules, the trainer, callbacks, loggers, resumption."""

from concord.training.callbacks import (
    EMA,
    BenchmarkCallback,
    Checkpoints,
    DataReport,
    GradientNorm,
    LearningRate,
    Preemption,
    Progress,
    RunRecord,
    StartSummary,
    StopOnNonFinite,
    StopTogether,
    Throughput,
    leave_if_preempted,
)
from concord.training.callbacks.base import is_logging_step
from concord.training.checkpointing import AtomicCheckpointIO
from concord.training.compute import Compute
from concord.training.loggers import CSVLogger, RunLogger, TensorBoardLogger, WandbLogger
from concord.training.optimizers import AdamW, OptimizerSettings, TimmOptimizer
from concord.training.processes import processes
from concord.training.randomness import RandomStates, preserved_random_state, seed_everything
from concord.training.schedules import Constant, Cosine, Linear, Schedule
from concord.training.trainer import make_trainer
from concord.training.tuning import LoRA, TowerTuning, Tuning

__all__ = [
    "EMA",
    "AdamW",
    "AtomicCheckpointIO",
    "BenchmarkCallback",
    "CSVLogger",
    "Checkpoints",
    "Compute",
    "Constant",
    "Cosine",
    "DataReport",
    "GradientNorm",
    "LearningRate",
    "Linear",
    "LoRA",
    "OptimizerSettings",
    "Preemption",
    "Progress",
    "RandomStates",
    "RunLogger",
    "RunRecord",
    "Schedule",
    "StartSummary",
    "StopOnNonFinite",
    "StopTogether",
    "TensorBoardLogger",
    "Throughput",
    "TimmOptimizer",
    "TowerTuning",
    "Tuning",
    "WandbLogger",
    "is_logging_step",
    "leave_if_preempted",
    "make_trainer",
    "preserved_random_state",
    "processes",
    "seed_everything",
]
