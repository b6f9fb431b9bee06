"""Curves over training steps as SVG text, one picture per quantity, all runs in it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from concord.reports.runs import Run

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
    if name not in table:
        return pd.DataFrame({"step": [], name: []})
    points = table[["step", name]].apply(pd.to_numeric, errors="coerce").dropna()
    stride = max(1, len(points) // MAX_POINTS)
    return points.iloc[::stride]


def _draw(name: str, series: Sequence[tuple[str, pd.DataFrame]]) -> str:
    figure = Figure(figsize=(4.2, 2.6), layout="constrained")
    axes = figure.subplots()
    for run_name, points in series:
        axes.plot(points["step"], points[name], label=run_name.replace("$", r"\$"), linewidth=1.4, marker="." if len(points) < 15 else None)
    axes.set_title(name, fontsize=9, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if len(series) > 1:
        axes.legend(fontsize=6)
    return svg(figure)


def svg(figure: Figure) -> str:
    """A figure as SVG text to stand in a page; the same figure gives the same text."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]
