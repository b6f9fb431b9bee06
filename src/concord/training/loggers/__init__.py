"""Where metrics go: a CSV file always, TensorBoard and Weights & Biases by choice."""

from concord.training.loggers.base import RunLogger
from concord.training.loggers.csv import CSVLogger
from concord.training.loggers.tensorboard import TensorBoardLogger
from concord.training.loggers.wandb import WandbLogger

__all__ = ["CSVLogger", "RunLogger", "TensorBoardLogger", "WandbLogger"]
