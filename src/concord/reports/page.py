"""One self-contained HTML page: leaderboard, curves, gallery, and what made the runs. It opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from concord.reports.figures import curves, logged_quantities
from concord.reports.html import data_address, render
from concord.reports.runs import Run
from concord.reports.table import lines

TITLES = {
    "zero_shot": "Zero-shot classification",
    "image_to_text": "Retrieval: captions for a picture",
    "text_to_image": "Retrieval: pictures for a caption",
}


def write_page(runs: Sequence[Run], path: Path) -> Path:
    """Write the page that compares runs.

    Args:
        runs: what to compare, at least one.
        path: the HTML file; its folder is made.

    Returns:
        The path.
    """
    drawn = {name: Markup(svg) for name, svg in curves(runs, logged_quantities(runs)).items()}  # matplotlib escapes the names in it
    galleries = [(run, _galleries(run)) for run in runs if run.gallery]
    return render("report.html.j2", path, runs=runs, lines=lines(runs), curves=drawn, galleries=galleries, titles=TITLES)


def _galleries(run: Run) -> dict[str, list[dict[str, Any]]]:
    """A run's gallery by task, with its pictures inlined."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in run.gallery:
        top = [{**guess, "picture": _picture(run.folder, guess.get("image"))} for guess in item.get("top", [])]
        shown = {**item, "picture": _picture(run.folder, item.get("image")), "top": top}
        groups.setdefault(str(item.get("task")), []).append(shown)
    return groups


def _picture(folder: Path, name: str | None) -> str | None:
    """A PNG of the gallery as a data address; None when it is not there. Only names inside the gallery are followed."""
    if name is None:
        return None
    path = folder / "gallery" / Path(name).name
    if not path.is_file():
        return None
    return data_address(path.read_bytes())
