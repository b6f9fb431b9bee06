"""`task=prepare`: write a data set anew, as Parquet or shards, checked, resized, with checksums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from concord.config import TARGET, build, check, is_node
from concord.data import WebDataModule
from concord.data.preparation import Manifest, Options
from concord.data.preparation import prepare as write
from concord.data.preparation import verify as check_files
from concord.data.preparation.options import Format
from concord.data.storage.paths import is_url
from concord.errors import ConfigError
from concord.images import Preprocess
from concord.tasks.assemble import require_path
from concord.tasks.guard import refuse_guarded
from concord.tasks.progress import progress

SPLIT = "concord.data.HashSplit"

MOST_SHOWN = 20
"""Files in the table on the terminal."""


def prepare(
    cfg: dict[str, Any],
    folder: Path,
    output: str | None,
    verify: str | None,
    format: Format,
    per_file: int,
    short_side: int | None,
    quality: int,
    validate: bool,
    whole: bool,
    workers: int,
) -> Manifest:
    """Write the configured data to `output`, or check the files of the prepared folder `verify` against its manifest.

    Args:
        cfg: the resolved configuration.
        folder: this job's folder.
        output: the folder to make.
        verify: a prepared folder; nothing is written then.
        format, per_file, short_side, quality, validate: see `Options`.
        whole: write also what the data hold out by key; whoever reads the result splits it by the same keys again.
        workers: reading processes.

    Raises:
        ConfigError: for wrong values, an output that holds something else, and guarded data.
        DataError: when the data cannot be read, or a file has changed.
    """
    if workers < 0:
        raise ConfigError(f"task.workers must be at least 0, got {workers}")
    if verify is not None:
        return _verify(Path(verify).expanduser())
    target = require_path(output, "output", "task=prepare data=shards data.path=... output=FOLDER")
    if is_url(target):
        raise ConfigError(f"output: {target} is a URL; prepare into a local folder and copy it there")
    place = Path(target).expanduser()
    options = _options(format=format, per_file=per_file, short_side=short_side, quality=quality, validate=validate)
    node = without_splits(cfg["data"]) if whole else cfg["data"]
    check(node, "data")
    data: WebDataModule = build(node, "data")
    refuse_guarded("task=prepare", [data.source], "read it where it lies, under the agreement that it came with")
    preprocess: Preprocess = build(cfg["preprocess"], "preprocess")
    description = {"name": data.source.name, "config": {key: node[key] for key in ("source", "filters") if key in node}}
    with progress(f"preparing {data.source.name}", len(data.source)) as report:
        manifest = write(data.source, place, options, preprocess, description, workers, report)
    _show(manifest, place)
    return manifest


def without_splits(value: Any) -> Any:
    """A configuration in which sources that are split by key stand whole."""
    if is_node(value) and value[TARGET] == SPLIT:
        return without_splits(value["source"])
    if isinstance(value, Mapping):
        return {key: without_splits(item) for key, item in value.items()}
    return [without_splits(item) for item in value] if isinstance(value, list) else value


def _options(**values: Any) -> Options:
    try:
        return Options(**values)
    except ValueError as error:
        raise ConfigError(f"task.{error}") from None


def _verify(folder: Path) -> Manifest:
    manifest = Manifest.read(folder)
    with progress(f"checking {folder}", manifest.examples) as report:
        for file in check_files(folder):
            report(file.examples)
    _show(manifest, folder)
    return manifest


def _show(manifest: Manifest, folder: Path) -> None:
    table = Table(title=f"{manifest.examples:,} examples", title_justify="left")
    table.add_column("file")
    for column in ("examples", "MiB", "SHA-256"):
        table.add_column(column, justify="right", no_wrap=True)
    shown = manifest.files if len(manifest.files) <= MOST_SHOWN else manifest.files[: MOST_SHOWN - 1]
    for file in shown:
        table.add_row(file.name, f"{file.examples:,}", f"{file.bytes / 2**20:.1f}", file.sha256[:12])
    if len(shown) < len(manifest.files):
        table.add_row(f"and {len(manifest.files) - len(shown)} more", "", "", "")
    console = Console()
    console.print(table)
    for cause, count in manifest.bad.items():
        console.print(f"left out: {count:,} x {cause}", markup=False)
    console.print(f"prepared: {folder} ({manifest.bytes / 2**20:.1f} MiB, every file as its checksum says)", markup=False, soft_wrap=True)
