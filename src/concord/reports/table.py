"""The leaderboard: one line per measured number, one column per run, each value beside what it has to beat.

A score means something by what it exceeds: guessing, a model that says the same of everything, and whoever does not look at
the picture. So these stand on the line, and a value that does not clear them says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from concord.benchmarks.records import Record
from concord.reports.metrics import number, sign
from concord.reports.runs import Run

LEGEND = (
    "chance: guessing. blind: the best that can be had without looking at the pictures, and how. collapsed: a model that says "
    "the same of everything. units: how many independent pictures or patients the n answers come from. A tie is a miss. "
    "(=): not told apart from the best of chance and blind."
)
WIDE = 110
"""Characters of a terminal from which on the table has room for the collapsed model."""

NAME_WIDTH = 22
"""Characters of a run's name on one line: those of a value with its interval."""

BLIND_WIDTH = 13

COMPARISON = (
    "Bold or green is the best of a line; ~ is not told apart from it by the intervals; ≠ was measured on other data or by "
    "other rules than the rest."
)


@dataclass(frozen=True)
class Cell:
    """A value as shown.

    Attributes:
        text, interval: the value and its 95% interval, "" for none.
        best: it is the best of several runs.
        tied: it is not the best, and its interval overlaps the best one's.
        weak: its interval does not clear the best of chance and blind.
    """

    text: str
    interval: str
    best: bool = False
    tied: bool = False
    weak: bool = False


@dataclass(frozen=True)
class Line:
    """One measured number over all runs.

    Attributes:
        name: the record's.
        section, metric: the name in two parts, what is tested and what is measured there.
        chance, collapsed, blind: what it has to beat; "–" for what has no meaning or was not run.
        n: examples, and the independent units that they come from where these are fewer.
        comparable: whether all runs were measured on the same data by the same rules.
    """

    name: str
    section: str
    metric: str
    chance: str
    collapsed: str
    blind: str
    n: str
    comparable: bool
    cells: tuple[Cell, ...]


def lines(runs: Sequence[Run]) -> list[Line]:
    """The leaderboard's lines, in the order in which benchmarks report them."""
    names = list(dict.fromkeys(name for run in runs for name in run.results))
    return [_line(name, [run.results.get(name) for run in runs]) for name in names]


def leaderboard(runs: Sequence[Run], width: int) -> Table:
    """The leaderboard for a terminal of so many characters; its caption says how to read it.

    What a collapsed model gets is shown where there is room for it, and always on the page.
    """
    several = len(runs) > 1
    caption = f"{LEGEND} {COMPARISON}" if several else LEGEND
    title = "leaderboard (95% bootstrap intervals)"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", overflow="fold")
    wide = width >= WIDE
    for name in ("chance", "blind", *(["collapsed"] if wide else []), "n (units)"):
        table.add_column(name, justify="right", overflow="fold", max_width=BLIND_WIDTH)
    for run in runs:
        table.add_column(_folded(run.name), justify="right", no_wrap=not several, overflow="fold")
    section = None
    for line in lines(runs):
        if line.section != section:
            table.add_section()
            table.add_row(f"[bold]{escape(line.section)}[/bold]")
            section = line.section
        beaten = (line.chance, line.blind, *([line.collapsed] if wide else []), line.n)
        table.add_row(f"  {escape(line.metric)}", *beaten, *(_terminal(cell) for cell in line.cells))
    return table


def _folded(name: str) -> str:
    """A long name on several lines, so that it makes its column no wider than the values do."""
    return escape("\n".join(name[start : start + NAME_WIDTH] for start in range(0, len(name), NAME_WIDTH)))


def _terminal(cell: Cell) -> str:
    value = f"[bold]{cell.text}[/bold]" if cell.best else cell.text
    marks = (" ~" if cell.tied else "") + (" (=)" if cell.weak else "")
    return f"{value}{marks} [dim]{escape(cell.interval)}[/dim]" if cell.interval else value + marks


def _line(name: str, results: Sequence[Record | None]) -> Line:
    found = [result for result in results if result is not None]
    comparable = len({(result.data, result.protocol) for result in found if result.data}) < 2
    best = max(found, key=lambda result: sign(name) * result.value) if len(found) > 1 and comparable else None
    first = found[0]
    blind = number(name, first.blind) + (f" {first.blind_by}" if first.blind_by else "")
    return Line(
        name=name,
        section="/".join((first.task, first.dataset)),
        metric="/".join(part for part in (first.subset, first.metric) if part),
        chance=number(name, first.chance),
        collapsed=number(name, first.collapsed) if first.chance is not None else "–",
        blind=blind,
        n=_count(first),
        comparable=comparable,
        cells=tuple(_cell(result, best, comparable) for result in results),
    )


def _count(record: Record) -> str:
    fewer = record.units is not None and record.units < record.n
    return f"{record.n:,} ({record.units:,})" if fewer else f"{record.n:,}"


def _cell(result: Record | None, best: Record | None, comparable: bool) -> Cell:
    if result is None:
        return Cell("–", "")
    interval = ""
    if result.low is not None and result.high is not None:
        interval = f"[{number(result.name, result.low)}, {number(result.name, result.high)}]"
    text = number(result.name, result.value) + ("" if comparable else " ≠")
    is_best = best is not None and result.value == best.value
    tied = best is not None and not is_best and _overlap(result, best)
    return Cell(text, interval, is_best, tied, _weak(result))


def _weak(record: Record) -> bool:
    """Whether chance, or whoever does not see the pictures, would do as well as far as the interval tells."""
    bars = [bar for bar in (record.chance, record.blind) if bar is not None]
    if not bars or record.low is None or record.high is None:
        return False
    return record.high >= min(bars) if sign(record.name) < 0 else record.low <= max(bars)


def _overlap(first: Record, second: Record) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return first.low <= second.high and second.low <= first.high
