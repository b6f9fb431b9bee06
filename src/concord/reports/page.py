"""One self-contained HTML page: leaderboard, curves, gallery, and what made the runs. It opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from concord.errors import DataError
from concord.reports.figures import curves, logged_quantities
from concord.reports.html import data_address, render
from concord.reports.pictures import draw
from concord.reports.runs import Run
from concord.reports.table import COMPARISON, LEGEND, lines

TITLES = {
    "zero_shot": "Zero-shot classification",
    "image_to_text": "Retrieval: captions for a picture",
    "text_to_image": "Retrieval: pictures for a caption",
    "compositional": "Which caption, or which picture, fits",
    "composed": "Retrieval: pictures like this one, but changed as the words say",
}
"""What a question of each kind is called, by `GalleryItem.task`."""


def write_page(runs: Sequence[Run], path: Path) -> Path:
    """Write the page that compares runs.

    Args:
        runs: what to compare, at least one.
        path: the HTML file; its folder is made.

    Returns:
        The path.
    """
    drawn = {name: Markup(svg) for name, svg in curves(runs, logged_quantities(runs)).items()}  # matplotlib escapes the names in it
    pictures = [(run, _pictures(run)) for run in runs if run.figures]
    galleries = [(run, _galleries(run)) for run in runs if run.gallery]
    return render(
        "report.html.j2",
        path,
        runs=runs,
        lines=lines(runs),
        legend=LEGEND,
        comparison=COMPARISON,
        curves=drawn,
        pictures=pictures,
        galleries=galleries,
    )


def _pictures(run: Run) -> dict[str, Markup]:
    """A run's pictures by name; a damaged one says so in its place."""
    drawn = {}
    for name, figure in run.figures.items():
        try:
            drawn[name] = Markup(draw(figure))  # matplotlib escapes the words in it
        except DataError as error:
            drawn[name] = Markup("<p class='problem'>{}</p>").format(f"not drawn: {error}")
    return drawn


def _galleries(run: Run) -> dict[str, list[dict[str, Any]]]:
    """A run's gallery under the headings of task and data set, with its pictures inlined."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in run.gallery:
        top = [{**guess, "picture": _picture(run.folder, guess.get("image"))} for guess in item.get("top", [])]
        pictured = any(guess["picture"] is not None for guess in top)
        shown = {**item, "picture": _picture(run.folder, item.get("image")), "top": top, "pictured": pictured}
        task = str(item.get("task"))
        groups.setdefault(f"{TITLES.get(task, task)}: {item.get('dataset')}", []).append(shown)
    return groups


def _picture(folder: Path, name: str | None) -> str | None:
    """A PNG of the gallery as a data address; None when it is not there. Only names inside the gallery are followed."""
    if name is None:
        return None
    path = folder / "gallery" / Path(name).name
    if not path.is_file():
        return None
    return data_address(path.read_bytes())
