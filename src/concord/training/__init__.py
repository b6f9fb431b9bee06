"""Everything between a method and a trained model: optimizers, schedules, the trainer, callbacks, loggers, resumption."""

from concord.training.callbacks import (
    EMA,
    Alarms,
    BenchmarkCallback,
    Checkpoints,
    DataReport,
    GradientNorm,
    Guard,
    LearningRate,
    Preemption,
    Progress,
    RunRecord,
    StartSummary,
    StepWatchdog,
    StopTogether,
    Throughput,
    leave_if_preempted,
)
from concord.training.callbacks.base import is_logging_step, was_taken_away
from concord.training.checkpointing import AtomicCheckpointIO, newest_good
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
    "Alarms",
    "AtomicCheckpointIO",
    "BenchmarkCallback",
    "CSVLogger",
    "Checkpoints",
    "Compute",
    "Constant",
    "Cosine",
    "DataReport",
    "GradientNorm",
    "Guard",
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
    "StepWatchdog",
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
    "newest_good",
    "preserved_random_state",
    "processes",
    "seed_everything",
    "was_taken_away",
]
