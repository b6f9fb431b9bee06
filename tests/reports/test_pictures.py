"""Pictures of a benchmark: every kind is drawn, what is damaged is refused in one line, and words stay words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.benchmarks import figures
from concord.errors import DataError
from concord.reports.pictures import PAINTERS, draw

PICTURE = np.full((40, 60, 3), 120, dtype=np.uint8)

FIGURES = {
    "reliability": figures.reliability("ECE 4.2", [0, 0.5, 1], [0.3, 0.8], [0.2, 0.9], [10, 0]),
    "confusion": figures.confusion("confusion", ["cat", "dog"], [[3, 1], [0, 4]]),
    "curve": figures.curve("few shots", [1, 2, 4], {"probe": [0.1, 0.2, 0.4], "zero-shot": [0.3, 0.3, 0.3]}, "shots", "top1", log=True),
    "projection": figures.projection("embeddings", [[0, 0], [1, 1], [2, 0]], ["image", "text", "image"]),
    "histogram": figures.histogram("cosines", [0, 0.5, 1], {"right": [1, 5], "wrong": [6, 2]}, "cosine"),
    "patch_map": figures.patch_map("a cat", PICTURE, {"cat": [[0.1, 0.9], [0.2, 0.3]], "dog": [[0.4, 0.1], [0.1, 0.1]]}),
}


def test_every_kind_has_an_example() -> None:
    assert set(FIGURES) == set(PAINTERS)


@pytest.mark.parametrize("kind", sorted(PAINTERS))
def test_a_figure_is_drawn_the_same_every_time_and_as_plain_values(kind: str) -> None:
    figure = json.loads(json.dumps(FIGURES[kind]))
    drawn = draw(figure)
    assert drawn.startswith("<svg")
    assert figure["title"] in drawn
    assert draw(figure) == drawn


def test_words_are_shown_as_they_are() -> None:
    drawn = draw(figures.curve("$x$ <script>", [1, 2], {"a $ b": [1, 2], "<i>": [2, 1]}, "x", "y"))
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "$x$" in drawn


def test_bars_are_as_high_as_the_accuracy() -> None:
    full = draw(figures.reliability("r", [0, 1], [0.5], [1.0], [4]))
    assert full != draw(figures.reliability("r", [0, 1], [0.5], [0.5], [4]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "pie"}, "no picture of kind 'pie'"),
        ({"counts": [[1, 2]]}, "damaged"),
        ({"labels": ["cat"]}, "damaged"),
        ({"counts": None}, "damaged"),
    ],
)
def test_a_damaged_figure_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw({**FIGURES["confusion"], **change})


def test_a_picture_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="damaged"):
        draw({**FIGURES["patch_map"], "image": "bm8gcGljdHVyZQ=="})
    with pytest.raises(DataError, match="damaged"):
        draw({**FIGURES["patch_map"], "image": "not base64!"})


KEYS = st.sampled_from(["title", "x", "series", "counts", "edges", "points", "maps"])
VALUES = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.sampled_from(sorted(FIGURES)), st.dictionaries(KEYS, VALUES))
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_in_the_file_is_drawn_or_refused_in_one_line(kind: str, change: dict[str, Any]) -> None:
    refusals = []
    try:
        drawn = draw({**FIGURES[kind], **change})
    except DataError as error:
        refusals.append(str(error))
    else:
        assert drawn.startswith("<svg")
    assert all("\n" not in refusal for refusal in refusals)
