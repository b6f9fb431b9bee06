"""Data of the pictures that explain a number, as plain values; `concord.reports` draws them. Each has a `kind` and a `title`."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from concord.images import decode
from concord.types import RawImage

Figure = dict[str, Any]

AGGREGATES = ("reliability", "confusion", "curve", "histogram")
"""Kinds that show many examples together and none by itself: what may be shown of guarded data, see `concord.access`."""

SHOWN_SIDE = 224
"""Longer side, in pixels, of a picture that stands behind a map."""


def reliability(
    title: str, edges: Sequence[float], confidence: Sequence[float], accuracy: Sequence[float], counts: Sequence[int]
) -> Figure:
    """Accuracy over confidence: b bins between b + 1 edges, each with its mean confidence, accuracy and number of examples."""
    return {
        "kind": "reliability",
        "title": title,
        "edges": _floats(edges),
        "confidence": _floats(confidence),
        "accuracy": _floats(accuracy),
        "counts": [int(count) for count in counts],
    }


def confusion(title: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """How often examples of a class (row) were taken for each class (column), [C][C]."""
    return {"kind": "confusion", "title": title, "labels": list(labels), "counts": [[int(count) for count in row] for row in counts]}


def curve(title: str, x: Sequence[float], series: Mapping[str, Sequence[float]], x_label: str, y_label: str, log: bool = False) -> Figure:
    """One line per name in `series` over common values of x, which are shown in log scale if asked."""
    drawn = {name: _floats(values) for name, values in series.items()}
    return {"kind": "curve", "title": title, "x": _floats(x), "series": drawn, "x_label": x_label, "y_label": y_label, "log": log}


def projection(title: str, points: Sequence[Sequence[float]], groups: Sequence[str]) -> Figure:
    """Embeddings brought down to two dimensions, [n][2], each with the group that gives it its colour."""
    return {"kind": "projection", "title": title, "points": [_floats(point) for point in points], "groups": list(groups)}


def histogram(title: str, edges: Sequence[float], series: Mapping[str, Sequence[int]], x_label: str) -> Figure:
    """Counts between b + 1 edges, one outline per name in `series`."""
    drawn = {name: [int(count) for count in counts] for name, counts in series.items()}
    return {"kind": "histogram", "title": title, "edges": _floats(edges), "series": drawn, "x_label": x_label}


def patch_map(title: str, image: RawImage, maps: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """A picture and, for each word, how well it fits each patch, [rows][columns]."""
    drawn = {word: [_floats(row) for row in values] for word, values in maps.items()}
    return {"kind": "patch_map", "title": title, "image": _jpeg(image), "maps": drawn}


def _floats(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values]


def _jpeg(image: RawImage) -> str:
    picture = decode(image).copy()
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
