"""The leaderboard: one line per measured number, one column per run, each value beside its interval and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from concord.benchmarks.records import Record
from concord.reports.runs import Run

LOWER_IS_BETTER = ("median_rank", "modality_gap", "alignment", "uniformity", "loss")


@dataclass(frozen=True)
class Cell:
    """A value as shown, and whether it is the best of its line or not told apart from it by the intervals."""

    text: str
    interval: str
    best: bool
    tied: bool


@dataclass(frozen=True)
class Line:
    """One measured number over all runs."""

    name: str
    chance: str
    cells: tuple[Cell, ...]


def lines(runs: Sequence[Run]) -> list[Line]:
    """The leaderboard's lines, in the order in which benchmarks report them."""
    names = list(dict.fromkeys(name for run in runs for name in run.results))
    return [_line(name, [run.results.get(name) for run in runs]) for name in names]


def leaderboard(runs: Sequence[Run]) -> Table:
    """The leaderboard for a terminal. Bold is the best value; ~ marks one whose interval overlaps the best one's."""
    table = Table(title="leaderboard (95% bootstrap intervals)", title_justify="left")
    table.add_column("metric", no_wrap=True)
    table.add_column("chance", justify="right")
    for run in runs:
        table.add_column(run.name, justify="right", overflow="fold")
    for line in lines(runs):
        table.add_row(line.name, line.chance, *(_terminal(cell) for cell in line.cells))
    return table


def _terminal(cell: Cell) -> str:
    value = f"[bold]{cell.text}[/bold]" if cell.best else cell.text
    return f"{value}{' ~' if cell.tied else ''} [dim]{cell.interval.replace('[', chr(92) + '[')}[/dim]" if cell.interval else value


def _line(name: str, results: Sequence[Record | None]) -> Line:
    found = [result for result in results if result is not None]
    sign = -1.0 if name.rsplit("/", 1)[-1] in LOWER_IS_BETTER else 1.0
    best = max(found, key=lambda result: sign * result.value)
    several = len(found) > 1
    cells = tuple(_cell(result, best, several) for result in results)
    chance = next((result.chance for result in found if result.chance is not None), None)
    return Line(name, "" if chance is None else number(name, chance), cells)


def _cell(result: Record | None, best: Record, several: bool) -> Cell:
    if result is None:
        return Cell("–", "", best=False, tied=False)
    interval = ""
    if result.low is not None and result.high is not None:
        interval = f"[{number(result.name, result.low)}, {number(result.name, result.high)}]"
    is_best = several and result.value == best.value
    return Cell(number(result.name, result.value), interval, is_best, several and not is_best and _overlap(result, best))


def _overlap(first: Record, second: Record) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return first.low <= second.high and second.low <= first.high


def number(name: str, value: float) -> str:
    """Shares as percentages with one decimal, diagnostics and ranks as they are."""
    plain = name.startswith("diagnostics/") or name.endswith("median_rank")
    return f"{value:.3g}" if plain else f"{100 * value:.1f}"
