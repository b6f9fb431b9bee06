"""The leaderboard: one line per measured number, one column per run, each value beside what it has to beat.

A score means something by what it exceeds: guessing, a model that says the same of everything, and whoever does not look at
the picture. So these stand on the line, and a value that does not clear them says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

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

WIDTHS = {"metric": 21, "chance": 7, "blind": 12, "collapsed": 9, "n (units)": 14}
"""Characters of the columns, which are the same in every section; with one run the whole fits a terminal of 80."""

VALUE_WIDTH = 21

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
        section, part, metric: the name in its parts: task and data set, what part of it, and what is measured there.
        chance, collapsed, blind: what it has to beat; "–" for what has no meaning or was not run.
        n: examples, and the independent units that they come from where these are fewer.
        comparable: whether all runs were measured on the same data by the same rules.
    """

    name: str
    section: str
    part: str
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


def leaderboard(runs: Sequence[Run], width: int) -> Group:
    """The leaderboard for a terminal of so many characters, a section per test and part of it; its end says how to read it.

    What a collapsed model gets is shown where there is room for it, and always on the page.
    """
    names = [name for name in WIDTHS if name != "collapsed" or width >= WIDE]
    parts: list[Table | Text] = [Text("leaderboard (95% bootstrap intervals)", "italic"), _columns(names, runs, header=True)]
    for section, own in groupby(lines(runs), key=lambda line: "/".join(filter(None, (line.section, line.part)))):
        table = _columns(names, runs, header=False)
        for line in own:
            shown = {"metric": f"  {line.metric}", "chance": line.chance, "blind": line.blind, "collapsed": line.collapsed}
            before = (escape({**shown, "n (units)": line.n}[name]) for name in names)
            table.add_row(*before, *(_terminal(cell) for cell in line.cells))
        parts += [Text(section, "bold"), table]
    return Group(*parts, Text(f"{LEGEND} {COMPARISON}" if len(runs) > 1 else LEGEND, "dim"))


def _columns(names: Sequence[str], runs: Sequence[Run], header: bool) -> Table:
    """A table without rows, as wide as all others of the leaderboard."""
    table = Table(box=None, show_header=header, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, justify="left" if name == "metric" else "right", width=WIDTHS[name], overflow="fold")
    for run in runs:
        table.add_column(escape(run.name), justify="right", width=VALUE_WIDTH, overflow="fold")
    return table


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
        section=f"{first.task}/{first.dataset}",
        part=first.subset,
        metric=first.metric,
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
