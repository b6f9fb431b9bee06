"""The pictures that explain a benchmark's numbers, as SVG text. What they show comes from a file: nothing in it is trusted."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from concord.errors import DataError
from concord.images import decode
from concord.reports.figures import dress, literal, new_axes, svg

LABELLED = 24
"""Classes up to which a confusion matrix names its rows and columns."""

COLOURS = ("#3b6fb6", "#c2571a", "#14804a", "#8b3fa8", "#b42318", "#667085", "#b58900", "#0f8b8d")


def draw(figure: Mapping[str, Any]) -> str:
    """A figure of `concord.benchmarks.figures`.

    Raises:
        DataError: for an unknown kind, or values that do not belong.
    """
    painter = PAINTERS.get(str(figure.get("kind")))
    if painter is None:
        raise DataError(f"there is no picture of kind {figure.get('kind')!r}")
    try:
        return svg(painter(figure))
    except Exception as error:  # wrong values fail in matplotlib and NumPy with errors of every class
        raise DataError(f"the picture {figure.get('title')!r} is damaged: {' '.join(str(error).split())}") from None


def _reliability(data: Mapping[str, Any]) -> Figure:
    figure, (above, below) = _two_axes(data["title"], (3, 1))
    edges, counts = np.asarray(data["edges"]), np.asarray(data["counts"])
    filled = counts > 0
    above.plot([0, 1], [0, 1], color="#98a2b3", linewidth=1, linestyle="--")
    above.bar(edges[:-1], np.where(filled, data["accuracy"], 0), np.diff(edges), align="edge", color=COLOURS[0], edgecolor="white")
    above.plot(np.asarray(data["confidence"])[filled], np.asarray(data["accuracy"])[filled], ".", color=COLOURS[1])
    above.set(xlim=(edges[0], edges[-1]), ylim=(0, 1))
    above.set_ylabel("accuracy", fontsize=8)
    below.stairs(counts, edges, fill=True, color="#98a2b3")
    below.set_xlabel("confidence", fontsize=8)
    below.set_ylabel("examples", fontsize=8)
    return figure


def _confusion(data: Mapping[str, Any]) -> Figure:
    counts = np.asarray(data["counts"], dtype=np.float64)
    labels = [literal(label) for label in data["labels"]]
    if counts.shape != (len(labels), len(labels)):
        raise ValueError("counts must have a row and a column for each label")
    side = 3.4 + 0.14 * len(labels) if len(labels) <= LABELLED else 4.2
    figure, axes = new_axes(data["title"], (side, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if len(labels) <= LABELLED:
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
    axes.grid(visible=False)
    axes.set_xlabel("taken for", fontsize=8)
    axes.set_ylabel("is", fontsize=8)
    return figure


def _curve(data: Mapping[str, Any]) -> Figure:
    figure, axes = new_axes(data["title"])
    for (name, values), colour in zip(data["series"].items(), _colours(len(data["series"])), strict=True):
        axes.plot(data["x"], values, marker=".", color=colour, linewidth=1.4, label=literal(name))
    if data["log"]:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(literal(data["x_label"]), fontsize=8)
    axes.set_ylabel(literal(data["y_label"]), fontsize=8)
    _legend(axes, len(data["series"]))
    return figure


def _projection(data: Mapping[str, Any]) -> Figure:
    figure, axes = new_axes(data["title"])
    points, groups = np.asarray(data["points"], dtype=np.float64).reshape(-1, 2), np.asarray(data["groups"])
    names = list(dict.fromkeys(data["groups"]))
    for name, colour in zip(names, _colours(len(names)), strict=True):
        chosen = points[groups == name]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=5, color=colour, label=literal(name), rasterized=len(points) > 2000)
    axes.tick_params(labelbottom=False, labelleft=False)
    _legend(axes, len(names))
    return figure


def _histogram(data: Mapping[str, Any]) -> Figure:
    figure, axes = new_axes(data["title"])
    for (name, counts), colour in zip(data["series"].items(), _colours(len(data["series"])), strict=True):
        axes.stairs(counts, data["edges"], color=colour, fill=True, alpha=0.45, label=literal(name))
    axes.set_xlabel(literal(data["x_label"]), fontsize=8)
    _legend(axes, len(data["series"]))
    return figure


def _patch_map(data: Mapping[str, Any]) -> Figure:
    picture = np.asarray(decode(base64.b64decode(data["image"], validate=True)))
    maps = {word: np.asarray(values, dtype=np.float64) for word, values in data["maps"].items()}
    figure = Figure(figsize=(1.7 * (1 + len(maps)), 2.0), layout="constrained")
    panels = figure.subplots(1, 1 + len(maps), squeeze=False)[0]
    panels[0].imshow(picture)
    panels[0].set_title(literal(data["title"]), fontsize=8, loc="left")
    for axes, (word, values) in zip(panels[1:], maps.items(), strict=True):
        axes.imshow(picture)
        axes.imshow(_stretched(values, picture), cmap="viridis", alpha=0.6)
        axes.set_title(literal(word), fontsize=8, loc="left")
    for axes in panels:
        axes.set_axis_off()
    return figure


def _stretched(values: NDArray[np.float64], picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A map [rows, columns] at the size of a picture [H, W, 3]."""
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR), dtype=np.float64)


PAINTERS: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
    "reliability": _reliability,
    "confusion": _confusion,
    "curve": _curve,
    "projection": _projection,
    "histogram": _histogram,
    "patch_map": _patch_map,
}


def _two_axes(title: str, heights: tuple[int, int]) -> tuple[Figure, tuple[Axes, Axes]]:
    """Two plots over one another that share their x axis."""
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    dress(above, title)
    dress(below, "")
    return figure, (above, below)


def _colours(count: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(count)]


def _legend(axes: Axes, entries: int) -> None:
    if 1 < entries <= 2 * len(COLOURS):
        axes.legend(fontsize=6, markerscale=2)
