"""Plans for the terminal, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import rich.box
from rich.console import Console
from rich.table import Table

from concord.planning.device import GIB
from concord.planning.plan import Plan

_DAY, _HOUR = 86400.0, 3600.0


def show(console: Console, plan: Plan, price: float | None) -> None:
    """Print a plan: its tables, then what it takes, then the warnings.

    Args:
        console: where.
        plan: what.
        price: per device and hour; None for no cost.
    """
    console.print("GFLOPs per pair, and how many are spared without an objective", markup=False, highlight=False)
    console.print(_work_table(plan))
    console.print("memory at the fullest moment of a step, and the most at any moment", markup=False, highlight=False)
    console.print(_memory_table(plan))
    for name, text in _lines(plan, price).items():
        console.print(f"{name:<14} {text}", markup=False, highlight=False, soft_wrap=True)
    for warning in plan.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)


def show_table(console: Console, plans: Mapping[str, Sequence[Plan | None]], devices: Sequence[int]) -> None:
    """Print models by numbers of devices. No plan stands where the devices do not divide the batch.

    Args:
        console: where.
        plans: by model, one for each number of devices.
        devices: their numbers.
    """
    table = _table("model", "devices", "GiB", "fits", "s/step", "samples/s", "days", "MFU")
    for model, row in plans.items():
        for count, plan in zip(devices, row, strict=True):
            table.add_row(model, f"{count:,}", *(_cells(plan) if plan is not None else ["-"] * 6))
        table.add_section()
    console.print(table)


def _cells(plan: Plan) -> list[str]:
    return [
        f"{sum(plan.memory.values()) / GIB:,.1f}",
        "yes" if plan.fits else "no",
        f"{plan.time.total:.3g}",
        f"{plan.samples_per_second:,.0f}",
        f"{plan.seconds / _DAY:,.2f}",
        f"{plan.utilisation:.0%}",
    ]


def _work_table(plan: Plan) -> Table:
    table = _table("part", "parameters", "trained", "forward", "backward", "spared")
    names = _ordered({**plan.parameters, **plan.work})
    for name in names:
        parameters, work = plan.parameters.get(name), plan.work.get(name)
        table.add_row(
            name,
            f"{parameters.all:,}" if parameters is not None else "",
            f"{parameters.trained:,}" if parameters is not None else "",
            *(["", ""] if work is None else [_giga(work.forward), _giga(work.backward)]),
            _giga(plan.added[short]) if (short := name.removeprefix("objectives.")) in plan.added else "",
            end_section=name == names[-2],
        )
    return table


def _memory_table(plan: Plan) -> Table:
    table = _table("memory of one device", "MiB", "at most")
    for name, size in plan.memory.items():
        table.add_row(name, _mebi(size), _mebi(max(size, plan.most.get(name, 0))))
    table.add_section()
    table.add_row("all", _mebi(sum(plan.memory.values())), "")
    return table


def _lines(plan: Plan, price: float | None) -> dict[str, str]:
    run, device, time = plan.run, plan.device, plan.time
    sent = ", ".join(f"{what} {_mebi(size)} MiB" for what, size in plan.sent.items() if size > 0)
    lines = {
        "devices": f"{run.world:,} x {device.name} ({run.spread}), {run.pairs // run.world:,} of {run.pairs:,} pairs each",
        "memory": f"{sum(plan.memory.values()) / GIB:.2f} GiB of {device.memory:g}: {'fits' if plan.fits else 'does not fit'}",
        "sent per step": f"{sent} by each device" if sent else "nothing",
        "step": f"{time.total:.4g} s: forward {time.forward:.3g}, backward {time.backward:.3g}, optimizer {time.optimizer:.3g}, "
        f"waiting {time.waiting:.3g}",
        "assumed": f"{device.achievable:.0%} of the figures of {device.name} are reached ({device.source})",
        "samples/s": f"{plan.samples_per_second:,.0f}, MFU {plan.utilisation:.1%}",
        "to the end": f"{run.steps:,} steps, {run.samples:,} samples, "
        + ", ".join(f"{count:,} {tower} tokens" for tower, count in plan.tokens.items()),
        "time": _duration(plan.seconds) + ", without benchmarks and checkpoints",
    }
    if price is not None:
        hours = run.world * plan.seconds / _HOUR
        lines["cost"] = f"{plan.cost(price):,.2f} for {hours:,.1f} device hours at {price:g}"
    return lines


def _ordered(names: Iterable[str]) -> list[str]:
    """The total last."""
    return sorted(set(names), key=lambda name: (name == "all", name.startswith("objectives."), name))


def _table(*columns: str) -> Table:
    table = Table(*columns, box=rich.box.SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _giga(flops: float) -> str:
    return f"{flops / 1e9:,.3g}" if flops < 1e12 else f"{flops / 1e9:,.0f}"


def _mebi(size: float) -> str:
    return f"{size / 2**20:,.1f}"


def _duration(seconds: float) -> str:
    if seconds < _HOUR:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / _HOUR:.1f} hours" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} days"
