"""`task=negatives`: make a compositional test of one's own data, hard negatives of their captions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from concord.config import build, check
from concord.data import BadSample, Source, WebDataModule, read_captions
from concord.data.source import key_of
from concord.data.storage.paths import is_url
from concord.errors import ConfigError, DataError, nearest
from concord.files import write_atomically
from concord.perturbations import KINDS, HardNegatives
from concord.tasks.assemble import require_path
from concord.tasks.guard import refuse_guarded
from concord.tasks.progress import progress


@dataclass(frozen=True)
class Question:
    """A caption of an image, and wrong ones by kind."""

    key: str
    caption: str
    negatives: dict[str, str]

    def line(self) -> str:
        wrong = {kind: [text] for kind, text in self.negatives.items()}
        return json.dumps({"key": self.key, "caption": self.caption, "negatives": wrong}, ensure_ascii=False)


def negatives(
    cfg: dict[str, Any],
    folder: Path,
    output: str | None,
    kinds: list[str],
    captions_per_image: int,
    limit: int | None,
    seed: int,
) -> dict[str, int]:
    """Write wrong captions of the configured data to `output`, a JSONL file that `conf/test/negatives.yaml` reads.

    Args:
        cfg: the resolved configuration.
        folder: this job's folder.
        output: the file to make.
        kinds: which kinds, see `HardNegatives`.
        captions_per_image: of each image its first so many captions are asked about.
        limit: at most so many images, a random choice by the seed; the words are learned from all captions.
        seed: of that choice and of the wrong captions.

    Returns:
        How many wrong captions of each kind were made.

    Raises:
        ConfigError: for wrong values, and for guarded data.
        DataError: when there are no captions, or nothing can be made of them.
    """
    target = require_path(output, "output", "task=negatives data=shards data.path=... output=negatives.jsonl")
    if is_url(target) or not target.endswith(".jsonl"):
        raise ConfigError(f"output must be the path of a .jsonl file, got {target}")
    _check(kinds, captions_per_image, limit, seed)
    check(cfg["data"], "data")
    data: WebDataModule = build(cfg["data"], "data")
    refuse_guarded("task=negatives", [data.source], "write the negatives of open data")
    questions = list(_questions(data.source, kinds, captions_per_image, limit, seed))
    counts = Counter(kind for question in questions for kind in question.negatives)
    if not counts:
        raise DataError(f"{data.source.name}: none of its captions gives a wrong one; are they English?")
    path = Path(target).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{question.line()}\n" for question in questions if question.negatives)
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))
    _show(questions, kinds, counts, path)
    return {kind: counts[kind] for kind in kinds}


def _check(kinds: list[str], captions_per_image: int, limit: int | None, seed: int) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"task.kinds: there is no kind {kind}; {nearest(kind, KINDS)}")
    if not kinds:
        raise ConfigError(f"task.kinds must hold at least one of {', '.join(KINDS)}")
    if captions_per_image < 1:
        raise ConfigError(f"task.captions_per_image must be at least 1, got {captions_per_image}")
    if limit is not None and limit < 1:
        raise ConfigError(f"task.limit must be at least 1 or null, got {limit}")
    if seed < 0:
        raise ConfigError(f"task.seed must be at least 0, got {seed}")


def _questions(source: Source, kinds: list[str], captions_per_image: int, limit: int | None, seed: int) -> Iterator[Question]:
    with progress(f"learning the words of {source.name}", len(source)) as report:
        maker = HardNegatives(_captions(source, report))
    places = list(range(len(source)))
    if limit is not None and limit < len(places):
        places = sorted(Random(f"{seed}/images").sample(places, limit))
    with progress("making wrong captions", len(places)) as report:
        for place in places:
            report(1)
            captions = read_captions(source, place)
            try:
                key = key_of(source, place) if captions else ""
            except BadSample:
                continue
            for number, caption in enumerate(captions[:captions_per_image]):
                others = [other for other in captions if other != caption]
                yield Question(key, caption, maker.draw([caption, *others], kinds, Random(f"{seed}/{key}/{number}")))


def _captions(source: Source, report: Callable[[int], None]) -> Iterator[str]:
    for place in range(len(source)):
        report(1)
        yield from read_captions(source, place)


def _show(questions: list[Question], kinds: list[str], counts: Counter[str], path: Path) -> None:
    table = Table(title=f"{counts.total():,} wrong captions of {len(questions):,}", title_justify="left")
    for column in ("kind", "made", "caption", "wrong"):
        table.add_column(column, overflow="fold")
    for kind in kinds:
        example = next((question for question in questions if kind in question.negatives), None)
        shown = ("", "") if example is None else (example.caption, example.negatives[kind])
        table.add_row(kind, f"{counts[kind]:,}", *map(escape, shown))
    console = Console()
    console.print(table)
    console.print(
        f"written: {path}; read some of it before you trust it: a rule cannot see what the picture shows", soft_wrap=True, markup=False
    )
    console.print("test with it: task=evaluate checkpoint=... +test@benchmark.tasks.mine=negatives", soft_wrap=True, markup=False)
