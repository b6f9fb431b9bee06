"""One self-contained HTML page: leaderboard, curves, gallery, and what made the runs. It opens without a network."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from concord.reports.figures import curves, logged_quantities
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
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("concord.reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    drawn = {name: Markup(svg) for name, svg in curves(runs, logged_quantities(runs)).items()}  # matplotlib escapes the names in it
    page = environment.get_template("report.html.j2").render(
        runs=runs, lines=lines(runs), curves=drawn, galleries=[(run, _galleries(run)) for run in runs if run.gallery], titles=TITLES
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    draft.write_text(page, encoding="utf-8")
    os.replace(draft, path)
    return path


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
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
