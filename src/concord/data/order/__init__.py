"""Which example stands where: the order of training as a pure function of (seed, epoch, position)."""

from concord.data.order.mixed import Mixed
from concord.data.order.permutation import Permutation
from concord.data.order.pool import LengthPool
from concord.data.order.resample import Resample
from concord.data.order.sampling import Order, Sampling, Setting, Visits
from concord.data.order.shuffle import Shuffle
from concord.data.order.slots import ROUND, Scattered, Slots, Stratified, largest_remainder
from concord.data.order.training import TrainingOrder
from concord.data.order.windows import Windows

__all__ = [
    "ROUND",
    "LengthPool",
    "Mixed",
    "Order",
    "Permutation",
    "Resample",
    "Sampling",
    "Scattered",
    "Setting",
    "Shuffle",
    "Slots",
    "Stratified",
    "TrainingOrder",
    "Visits",
    "Windows",
    "largest_remainder",
]
