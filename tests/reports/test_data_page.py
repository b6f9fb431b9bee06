"""The page of a data set: self-contained, escaped, and there whatever is wrong with the data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.conftest import preprocess, recipes, tokenizer  # noqa: F401
from tests.data.samples import WORDS, encode

from concord.data import Augmentation, BadSample, Views
from concord.data.inspection import Looker, draw_gallery, look_through, summarise
from concord.images import Preprocess
from concord.reports.data_page import number, write_data_page
from concord.reports.histograms import bars, size_map
from concord.tokenizers import BPETokenizer
from concord.types import Caption, ImageView, Pair, TextView

EVIL = "<script>alert('red')</script>"


class Wild:
    """Hostile texts in every place that reaches the page."""

    name = f"{EVIL}name"

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Pair:
        if index % 4 == 3:
            raise BadSample(f"{EVIL}cause", f"{EVIL}bad {index}", f"{EVIL}detail")
        captions = (Caption(f"{EVIL} {WORDS[index]}", f"{EVIL}role"), EVIL, "\ud800 half")
        return Pair(encode(index, size=10 + index), captions, f"{EVIL}{index}", f"{EVIL}source", {f"{EVIL}field": f"{EVIL}value"})


def page_of(source: Any, folder: Path, tokenizer: BPETokenizer, recipes: dict[str, Augmentation]) -> str:  # noqa: F811
    looker = Looker(source, tokenizer, Preprocess())
    survey = summarise(source, look_through(looker, range(len(source)), 0, lambda done: None), tokenizer.context_length)
    views = Views({"image": ImageView("weak", count=2)}, {"caption": TextView("caption")}, recipes, Preprocess(image_size=8), tokenizer)
    cards = draw_gallery(source, views, range(len(source)), 4)
    return write_data_page(survey, cards, "BPETokenizer", folder / "deep" / "data.html").read_text(encoding="utf-8")


def test_everything_is_escaped_and_inside(tmp_path: Path, tokenizer: BPETokenizer, recipes: dict[str, Augmentation]) -> None:  # noqa: F811
    page = page_of(Wild(), tmp_path, tokenizer, recipes)
    assert "<script" not in page
    for part in ("name", "cause", "bad 3", "detail", "role", "source", "field", "value"):
        assert f"&lt;/script&gt;{part}" in page, part
    outside = [link for link in re.findall(r'(?:src|href)="([^"]+)"', page) if not link.startswith(("data:image/png;base64,", "#"))]
    assert outside == []
    assert page.count("<svg") >= 3
    assert page.count('<div class="example">') == 4
    assert page.count('alt="image"') == 4 * 2
    assert "@import" not in page
    assert "url(http" not in page


def test_a_source_of_nothing_but_bad_examples_has_a_page(
    tmp_path: Path,
    tokenizer: BPETokenizer,  # noqa: F811
    recipes: dict[str, Augmentation],  # noqa: F811
) -> None:
    class Broken(Wild):
        def __getitem__(self, index: int) -> Pair:
            raise BadSample("shard ends before the example does", str(index))

    page = page_of(Broken(), tmp_path, tokenizer, recipes)
    assert "shard ends before the example does" in page
    assert "No example can be used." in page
    assert "100.0%" in page


def test_the_context_length_is_marked_only_where_it_lies_inside() -> None:
    shown = {"edges": [0.0, 10.0, 20.0, 30.0], "counts": [4, 2, 1]}
    assert "cut here" in bars("tokens", "tokens", shown, 12)
    assert "cut here" not in bars("tokens", "tokens", shown, 64)
    assert "cut here" not in bars("tokens", "tokens", shown)
    assert bars("tokens", "tokens", shown) == bars("tokens", "tokens", shown)


def test_where_all_are_alike_there_is_no_figure() -> None:
    assert bars("a", "b", {"edges": [0.5, 1.5], "counts": [9]}) == ""
    assert bars("a", "b", {"edges": [], "counts": []}) == ""
    counts = np.zeros((3, 3), int)
    counts[1, 1] = 5
    sizes = {"width_edges": [1, 2, 3, 4], "height_edges": [1, 20, 300, 4000], "counts": counts.tolist()}
    assert size_map(sizes) == ""
    counts[2, 0] = 1
    assert size_map({**sizes, "counts": counts.tolist()}).startswith("<svg")


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (3, "3"), (1234567, "1,234,567"), (0.12345, "0.123"), (1234.5, "1,234")])
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text
