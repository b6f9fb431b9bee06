"""Reading what runs leave behind. Nothing here is trusted: a file that is missing or broken costs its part of the page only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concord.benchmarks.records import Record, read_records
from concord.errors import DataError

if TYPE_CHECKING:  # imported where it is used: it takes long
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A run folder as a report sees it.

    Attributes:
        name: the folder's name, unique in a report.
        results: the last benchmark's numbers by name.
        curves: one row per logged event, with a column `step`.
        info: `run.json`: versions, command, speed, status.
        gallery: items of `gallery/gallery.json`.
        figures: data of pictures by name, `figures.json`.
        skipped: tasks that were not run, with the reason, `skipped.json`.
        problems: files that could not be read, one line each.
    """

    name: str
    folder: Path
    results: dict[str, Record]
    curves: pd.DataFrame
    info: dict[str, Any]
    gallery: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def find_runs(path: Path) -> list[Run]:
    """The runs in a folder, at any depth, in the order of their names.

    Raises:
        DataError: when the folder is missing or holds no run.
    """
    if not path.is_dir():
        raise DataError(f"runs: {path} is not a folder")
    folders = sorted({marker.parent for name in ("records.json", "metrics.csv") for marker in path.rglob(name)})
    if not folders:
        raise DataError(f"runs: no run in {path}; a run folder holds metrics.csv and records.json")
    return [read_run(folder, _name(folder, path)) for folder in folders]


def read_run(folder: Path, name: str) -> Run:
    """One run folder. Broken files are named in `problems` and left out."""
    problems: list[str] = []
    return Run(
        name=name,
        folder=folder,
        results=_results(folder / "records.json", problems),
        curves=_curves(folder / "metrics.csv", problems),
        info=_json(folder / "run.json", dict, problems),
        gallery=_json(folder / "gallery" / "gallery.json", list, problems),
        figures=_json(folder / "figures.json", dict, problems),
        skipped=_json(folder / "skipped.json", dict, problems),
        problems=tuple(problems),
    )


def _name(folder: Path, root: Path) -> str:
    return folder.resolve().name if folder == root else str(folder.relative_to(root))


def _results(path: Path, problems: list[str]) -> dict[str, Record]:
    if not path.is_file():
        return {}
    try:
        records = read_records(path)
    except (ValueError, TypeError, OSError) as error:
        problems.append(f"{path.name}: {error}")
        return {}
    return {record.name: record for record in records}


def _curves(path: Path, problems: list[str]) -> pd.DataFrame:
    import pandas as pd  # slow to import

    if not path.is_file():
        return pd.DataFrame({"step": []})
    try:
        curves = pd.read_csv(path)
    except (ValueError, OSError) as error:
        problems.append(f"{path.name}: {error}")
        return pd.DataFrame({"step": []})
    if "step" not in curves:
        problems.append(f"{path.name}: no column step")
        return pd.DataFrame({"step": []})
    return curves


def _json(path: Path, kind: type, problems: list[str]) -> Any:
    if not path.is_file():
        return kind()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        problems.append(f"{path.name}: {error}")
        return kind()
    if not isinstance(content, kind):
        problems.append(f"{path.name}: expected a {kind.__name__}")
        return kind()
    return content
