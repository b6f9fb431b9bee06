"""Histograms and size maps as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from concord.reports.figures import new_axes, svg

EVEN = 1.01
"""Ratio of the widest to the narrowest bin up to which an axis is linear."""

WIDE = 12
"""Ratio of the largest to the smallest size from which on the axes of a map are logarithmic."""


def bars(title: str, unit: str, histogram: Mapping[str, Sequence[float]], limit: float | None = None) -> str:
    """A histogram with the counts [n] between the edges [n + 1]; `limit` is marked where it lies inside.

    Empty for values of which there is nothing to see: none, or all the same.
    """
    edges, counts = np.asarray(histogram["edges"]), np.asarray(histogram["counts"])
    if np.count_nonzero(counts) < 2:
        return ""
    figure, axes = new_axes(title)
    axes.stairs(counts, edges, fill=True, color="#3b6fb6")
    widths = np.diff(edges)
    if widths.max() > EVEN * widths.min():
        axes.set_xscale("log" if edges[0] > 0 else "symlog")
    if limit is not None and edges[0] <= limit <= edges[-1]:
        axes.axvline(limit, color="#b42318", linewidth=1.2)
        axes.text(limit, 1.0, " cut here", fontsize=7, color="#b42318", va="top", transform=axes.get_xaxis_transform())
    axes.set_xlabel(unit, fontsize=8)
    return svg(figure)


def size_map(sizes: Mapping[str, Any]) -> str:
    """How many images are how wide and high, darker for more. Empty for images of one size, and for none."""
    counts = np.asarray(sizes["counts"], dtype=np.float64)
    if np.count_nonzero(counts) < 2:
        return ""
    figure, axes = new_axes("width and height")
    shown = np.where(counts > 0, counts, np.nan).T
    mesh = axes.pcolormesh(sizes["width_edges"], sizes["height_edges"], shown, cmap="viridis_r", norm=LogNorm(1, max(2, counts.max())))
    mesh.set_rasterized(True)
    if max(edges[-1] / edges[0] for edges in (sizes["width_edges"], sizes["height_edges"])) > WIDE:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("width, pixels", fontsize=8)
    axes.set_ylabel("height, pixels", fontsize=8)
    figure.colorbar(mesh, ax=axes).ax.tick_params(labelsize=7)
    return svg(figure)
