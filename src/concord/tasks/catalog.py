"""`task=catalog`: every method, recipe, objective, data set and benchmark, read off the configuration files and the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.table import Table

from concord.config import TARGET, locate
from concord.errors import ConfigError

GROUPS = ("method", "experiment", "objective", "data", "benchmark", "test")
PAPER = "# Paper: "


@dataclass(frozen=True)
class Entry:
    """One option of a group: its name, what it is, and where it comes from."""

    group: str
    name: str
    summary: str
    source: str


def catalog(cfg: dict[str, Any], folder: Path) -> list[Entry]:
    """Print the catalog and return its entries."""
    entries = read(conf_folder())
    for group in GROUPS:
        table = Table("name", "what it is", "source", title=f"{group}=", title_justify="left", expand=False)
        for entry in entries:
            if entry.group == group:
                table.add_row(entry.name, entry.summary, entry.source)
        Console().print(table)
    return entries


def conf_folder() -> Path:
    """Where the configuration of this run was read."""
    sources = HydraConfig.get().runtime.config_sources
    return Path(next(source.path for source in sources if source.provider == "main"))


def read(conf_folder: Path) -> list[Entry]:
    """The entries of every group, from the first line of each file and the `paper` of the class that it builds.

    Recipes build none, and name their paper in that line. Data sets are built by one class; where they come from stands in a
    line "# Paper: ..." of their file in `source/`.
    """
    return [_entry(group, path) for group in GROUPS for path in sorted((conf_folder / group).glob("*.yaml"))]


def _entry(group: str, path: Path) -> Entry:
    text = path.read_text(encoding="utf-8")
    first, *_ = [line for line in text.splitlines() if not line.startswith("# @package")] or [""]
    if not first.startswith("# "):
        raise ConfigError(f"{path} does not begin with a comment line that says what it is")
    paper = _stated(path) if group == "data" else _of_class(yaml.safe_load(text), path)
    return Entry(group, path.stem, first.removeprefix("# "), paper)


def _of_class(content: Any, path: Path) -> str:
    if not isinstance(content, dict) or TARGET not in content:
        return ""
    paper = getattr(locate(content[TARGET], str(path)), "paper", None)
    return "" if paper is None else f"{paper.authors} {paper.year}, {paper.link}"


def _stated(path: Path) -> str:
    """The paper that the source of the same name states."""
    source = path.parent.parent / "source" / path.name
    lines = source.read_text(encoding="utf-8").splitlines() if source.is_file() else []
    return next((line.removeprefix(PAPER) for line in lines if line.startswith(PAPER)), "")
