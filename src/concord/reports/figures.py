"""Curves over training steps as SVG text, one picture per quantity, all runs in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from concord.reports.runs import Run

if TYPE_CHECKING:  # imported where it is used: it takes long
    import pandas as pd

matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "concord"
MAX_POINTS = 500


def curves(runs: Sequence[Run], names: Sequence[str]) -> dict[str, str]:
    """SVG by quantity, for those of `names` that some run logged."""
    drawn = {}
    for name in names:
        series = [(run.name, _series(run.curves, name)) for run in runs]
        series = [(run_name, points) for run_name, points in series if len(points) > 0]
        if series:
            drawn[name] = _draw(name, series)
    return drawn


def logged_quantities(runs: Sequence[Run]) -> list[str]:
    """What is worth a curve: losses, benchmark results, and the scalars that tell of health, in this order."""
    columns = list(dict.fromkeys(column for run in runs for column in run.curves.columns))
    wanted = (
        "loss",
        "loss/",
        "zero_shot/",
        "retrieval/",
        "compositional/",
        "logit_scale",
        "gradient_norm",
        "learning_rate",
        "samples_per_second",
    )
    chosen = [column for prefix in wanted for column in columns if column == prefix or (prefix.endswith("/") and column.startswith(prefix))]
    return list(dict.fromkeys(chosen))


def _series(table: pd.DataFrame, name: str) -> pd.DataFrame:
    import pandas as pd  # slow to import

    if name not in table:
        return pd.DataFrame({"step": [], name: []})
    points = table[["step", name]].apply(pd.to_numeric, errors="coerce").dropna()
    stride = max(1, len(points) // MAX_POINTS)
    return points.iloc[::stride]


def _draw(name: str, series: Sequence[tuple[str, pd.DataFrame]]) -> str:
    figure, axes = new_axes(name)
    for run_name, points in series:
        axes.plot(points["step"], points[name], label=literal(run_name), linewidth=1.4, marker="." if len(points) < 15 else None)
    axes.set_xlabel("step", fontsize=8)
    if len(series) > 1:
        axes.legend(fontsize=6)
    return svg(figure)


def new_axes(title: str, size: tuple[float, float] = (4.2, 2.6)) -> tuple[Figure, Axes]:
    """An empty plot in the style of all pictures; the size is in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes: Axes = figure.subplots()
    dress(axes, title)
    return figure, axes


def dress(axes: Axes, title: str) -> None:
    """Title, ticks and grid in the style of all pictures."""
    axes.set_title(literal(title), fontsize=9, loc="left")
    axes.tick_params(labelsize=7, which="both")
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def literal(text: str) -> str:
    """Text that matplotlib shall not read as mathematics."""
    return str(text).replace("$", r"\$")


def svg(figure: Figure) -> str:
    """A figure as SVG text to stand in a page; the same figure gives the same text."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]
