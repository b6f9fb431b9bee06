"""`task=report`: compare runs on a page and in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from concord.errors import ConfigError
from concord.reports import find_runs, leaderboard, write_page


def report(cfg: dict[str, Any], folder: Path, runs: str | None, output: str | None) -> Path:
    """Write the page for the runs in a folder, print the leaderboard, and return the page's path.

    Raises:
        ConfigError: when no folder is given.
        DataError: when it holds no run.
    """
    if runs is None:
        raise ConfigError("runs has no value; give a folder of runs, as in task=report runs=runs/quickstart")
    found = find_runs(Path(runs))
    console = Console()
    console.print(leaderboard(found, console.width))
    page = write_page(found, Path(output) if output is not None else Path(runs) / "report.html")
    console.print(f"report: {page}", soft_wrap=True)
    return page
