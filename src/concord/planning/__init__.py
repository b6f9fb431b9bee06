"""What a run will take, before it starts: rehearsed in shapes, without a GPU and without data."""

from concord.planning.device import Device
from concord.planning.largest import BatchShape
from concord.planning.measuring import measure_steps, with_measured_share
from concord.planning.memory import spread_of
from concord.planning.plan import Plan, Run, make_plan
from concord.planning.rehearsal import Rehearsal, Subject
from concord.planning.show import show, show_table

__all__ = [
    "BatchShape",
    "Device",
    "Plan",
    "Rehearsal",
    "Run",
    "Subject",
    "make_plan",
    "measure_steps",
    "show",
    "show_table",
    "spread_of",
    "with_measured_share",
]
