"""`task=inspect`: look at a data set before training on it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from concord.access import is_guarded
from concord.config import TARGET
from concord.data import Permutation, Source
from concord.data.inspection import Looker, Overlap, Survey, draw_gallery, look_through, summarise
from concord.errors import ConfigError
from concord.files import write_atomically, write_json
from concord.reports.data_page import number, write_data_page
from concord.tasks.assemble import assemble_views, check_config
from concord.tasks.guard import keep_to_owner, refuse_guarded
from concord.tasks.overlap import Compared, overlaps
from concord.tasks.progress import progress
from concord.tasks.record import save_config

GALLERY = 24
"""Examples that are shown where nothing is said."""


def inspect(
    cfg: dict[str, Any],
    folder: Path,
    output: str | None,
    limit: int | None,
    gallery: int | None,
    overlap: Compared | None,
    workers: int,
) -> Survey:
    """Count, measure and show the configured data: `data.json`, `data.csv` and `data.html` in `output` or in this job's folder.

    Args:
        cfg: the resolved configuration; its method says which views the gallery shows.
        folder: this job's folder.
        output: where to write instead.
        limit: look at so many examples only, drawn at random.
        gallery: examples to show; None for `GALLERY` of open data and none of guarded.
        overlap: what to compare with the data sets of the configured benchmark, see `overlaps`; None compares nothing.
        workers: reading processes.

    Raises:
        ConfigError: for wrong values, and for guarded data that are to be shown.
        DataError: when there is no data to look at.
    """
    for name, value, least in (("limit", limit, 1), ("gallery", gallery, 0), ("workers", workers, 0)):
        if value is not None and value < least:
            raise ConfigError(f"task.{name} must be at least {least}, got {value}")
    check_config(cfg)
    save_config(cfg, folder)
    data, views = assemble_views(cfg)
    keep_to_owner(folder, [data.source])
    shown = _shown(data.source, gallery)
    shuffled = Permutation(len(data.source), f"inspect/{cfg['seed']}")
    chosen = shuffled(np.arange(min(len(data.source), limit or len(data.source))))
    looker = Looker(data.source, views.texts.tokenizer, views.images.preprocess)
    with progress(f"looking at {data.source.name}", len(chosen)) as report:
        look = look_through(looker, np.sort(chosen).tolist(), workers, report)
    survey = summarise(data.source, look, views.texts.tokenizer.context_length)
    if overlap is not None:
        shared, lacking = overlaps(data.source, cfg["benchmark"], overlap, np.sort(chosen).tolist(), workers)
        survey = replace(survey, overlap=shared, not_compared=lacking)
    cards = draw_gallery(data.source, views, chosen.tolist(), shown)
    target = Path(output).expanduser() if output is not None else folder
    _write(survey, target)
    page = write_data_page(survey, cards, cfg["tokenizer"][TARGET].rpartition(".")[2], target / "data.html")
    _show(survey, page)
    return survey


def _shown(source: Source, gallery: int | None) -> int:
    """How many examples are shown; more than none of guarded data are refused."""
    if gallery is None:
        return 0 if is_guarded(source) else GALLERY
    if gallery > 0:
        refuse_guarded(f"task.gallery={gallery}", [source], "null shows what may be shown")
    return gallery


def _write(survey: Survey, folder: Path) -> None:
    """The numbers: all of them as JSON, those of the sources as a table."""
    import pandas as pd  # slow to import

    write_json(folder / "data.json", asdict(survey))
    table = pd.DataFrame(survey.parts).to_csv(index=False)
    write_atomically(folder / "data.csv", lambda file: file.write(table.encode()))


def _show(survey: Survey, page: Path) -> None:
    source, images, captions = survey.source, survey.images, survey.captions
    table = Table(title=f"{source['name']}: {source['looked_at']:,} of {source['examples']:,} examples", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("usable", f"{source['usable']:,}")
    table.add_row("images: formats", ", ".join(f"{name} {count:,}" for name, count in images["formats"].items()))
    table.add_row("images: median width x height", f"{number(images['width'].get('median'))} x {number(images['height'].get('median'))}")
    table.add_row("images: exact duplicates", f"{images['duplicate_share']:.1%}")
    table.add_row("captions", f"{captions['count']:,}")
    table.add_row("captions: exact duplicates", f"{captions['duplicate_share']:.1%}")
    table.add_row("captions: of the same words", f"{captions['same_words_share']:.1%}")
    table.add_row("captions: median words", number(captions["words"].get("median")))
    table.add_row(f"captions: over {captions['context_length']} tokens", f"{captions['truncated_share']:.1%}")
    table.add_row("tokens in all captions", f"{source['tokens_estimated']:,}")
    for part in survey.parts if len(survey.parts) > 1 else ():
        table.add_row(f"source {part['source']}", f"{part['images']:,} images, {part['bad']:,} bad")
    console = Console()
    console.print(table)
    for cause, found in survey.bad.items():
        console.print(f"bad: {found['count']:,} x {cause}, such as {found['examples'][0]['key']}", markup=False, soft_wrap=True)
    for name, count in survey.dropped.items():
        console.print(f"dropped by filter: {count:,} x {name}", markup=False, soft_wrap=True)
    for kind, count in survey.alarms.items():
        console.print(f"may say who a patient is: {count:,} captions with a {kind}", markup=False, soft_wrap=True)
    for overlap in survey.overlap:
        console.print(_sentence(overlap), markup=False, soft_wrap=True)
    for task, reason in survey.not_compared.items():
        console.print(f"not compared with {task}: {reason}", markup=False, soft_wrap=True)
    console.print(f"page: {page}", markup=False, soft_wrap=True)


def _sentence(overlap: Overlap) -> str:
    """What is shared with one data set of the benchmark."""
    counts = {"by name": overlap.same_names, "by look": overlap.same_looks}
    known = [f"{count:,} of {overlap.examples:,} pictures {how}" for how, count in counts.items() if count is not None]
    if overlap.same_patients is not None:
        known.insert(0, f"{overlap.same_patients:,} of {overlap.patients:,} patients")
    return f"shared with {overlap.dataset} ({', '.join(overlap.tasks)}): " + (", ".join(known) or "nothing that can be compared")
