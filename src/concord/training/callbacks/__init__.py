"""What happens around the training steps."""

from concord.training.callbacks.alarms import Alarms
from concord.training.callbacks.benchmark import BenchmarkCallback
from concord.training.callbacks.checkpoints import Checkpoints
from concord.training.callbacks.data import DataReport
from concord.training.callbacks.ema import EMA
from concord.training.callbacks.guard import Guard
from concord.training.callbacks.monitors import GradientNorm, LearningRate
from concord.training.callbacks.preemption import Preemption, leave_if_preempted
from concord.training.callbacks.progress import Progress
from concord.training.callbacks.record import RunRecord
from concord.training.callbacks.summary import StartSummary
from concord.training.callbacks.throughput import Throughput
from concord.training.callbacks.together import StopTogether
from concord.training.callbacks.watchdog import StepWatchdog

__all__ = [
    "EMA",
    "Alarms",
    "BenchmarkCallback",
    "Checkpoints",
    "DataReport",
    "GradientNorm",
    "Guard",
    "LearningRate",
    "Preemption",
    "Progress",
    "RunRecord",
    "StartSummary",
    "StepWatchdog",
    "StopTogether",
    "Throughput",
    "leave_if_preempted",
]
