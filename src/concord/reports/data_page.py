"""The page that shows a data set: its numbers, its histograms, and what the model will see of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from concord.data.inspection import Card, Survey
from concord.reports.histograms import bars, size_map
from concord.reports.html import data_address, render

IMAGE_FIGURES = {
    "short_side": "shorter side, pixels",
    "megapixels": "megapixels",
    "aspect_ratio": "width / height",
    "bytes": "bytes per image, encoded",
}
CAPTION_FIGURES = {
    "words": "words",
    "characters": "characters",
    "tokens": "tokens, start and end included",
    "per_image": "captions per image",
}


def write_data_page(survey: Survey, cards: Sequence[Card], tokenizer: str, path: Path) -> Path:
    """Write the page; its folder is made.

    Args:
        survey: the numbers.
        cards: the gallery.
        tokenizer: name of the one that counted the tokens.
        path: the HTML file.
    """
    return render(
        "data.html.j2",
        path,
        survey=survey,
        image_figures=_image_figures(survey),
        caption_figures=_caption_figures(survey),
        spreads=_spreads(survey),
        cards=cards,
        tokenizer=tokenizer,
        address=data_address,
        number=number,
    )


def number(value: float | None) -> str:
    """Three digits where there are fractions, all of them where there are none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def _image_figures(survey: Survey) -> list[Markup]:
    histograms = survey.images["histograms"]
    drawn = (bars(name.replace("_", " "), unit, histograms[name]) for name, unit in IMAGE_FIGURES.items())
    return [Markup(figure) for figure in (size_map(survey.images["sizes"]), *drawn) if figure]


def _caption_figures(survey: Survey) -> list[Markup]:
    histograms, cut = survey.captions["histograms"], {"tokens": survey.captions["context_length"]}
    drawn = (bars(name.replace("_", " "), unit, histograms[name], cut.get(name)) for name, unit in CAPTION_FIGURES.items())
    return [Markup(figure) for figure in drawn if figure]


def _spreads(survey: Survey) -> list[tuple[str, dict[str, float]]]:
    """Lines of the table of quantiles."""
    images = [(unit, survey.images[name]) for name, unit in IMAGE_FIGURES.items()]
    captions = [(unit, survey.captions[name]) for name, unit in CAPTION_FIGURES.items()]
    return [(unit, values) for unit, values in (*images, *captions) if values]
