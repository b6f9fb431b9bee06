"""A source written anew: file by file, in its order, and there only when it is whole."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any

from concord.data.parallel import in_chunks
from concord.data.preparation.draft import STATE, Part, alone, begin, finished, first_difference
from concord.data.preparation.manifest import NAME, File, Manifest, verify
from concord.data.preparation.options import Options
from concord.data.preparation.record import Record, Recorder
from concord.data.preparation.tables import write_parquet
from concord.data.preparation.tars import write_shard
from concord.data.source import BadSample, Source, fingerprint_of
from concord.data.storage.paths import without_secrets
from concord.errors import ConfigError, DataError
from concord.files import write_atomically, write_json
from concord.images import Preprocess

Report = Callable[[int], None]


def prepare(
    source: Source,
    output: Path,
    options: Options,
    preprocess: Preprocess,
    description: Mapping[str, Any],
    workers: int = 0,
    report: Report = lambda done: None,
) -> Manifest:
    """Write every usable example of a source, in its order, as files of a format.

    All is written to `OUTPUT.unfinished`, which is renamed once everything is in it: `output` is never half a data set. A run
    that was killed goes on after its last whole file. A folder that is whole already is checked instead.

    Args:
        source: what is written.
        output: the folder to make.
        options: how.
        preprocess: see `Recorder`.
        description: of the source, plain values for the manifest; another description is another data set.
        workers: reading processes; the result does not depend on it.
        report: is told how many more examples are done.

    Raises:
        ConfigError: when another data set, or something else, lies in `output`.
        DataError: when no example can be used, a file of a whole folder has changed, or another run writes the same.
    """
    images = {"max_pixels": preprocess.max_pixels, "background": list(preprocess.background), "interpolation": preprocess.interpolation}
    version = importlib.metadata.version("concord")
    plan = {"concord": version, "options": asdict(options), "images": images, "source": _shareable(description)}
    if _is_whole(output, plan):
        shutil.rmtree(output / STATE, ignore_errors=True)
        for file in verify(output):
            report(file.examples)
        return Manifest.read(output)
    draft = output.resolve().with_name(output.resolve().name + ".unfinished")  # on the same file system, so that it can be renamed
    with alone(draft):
        begin(draft, {**plan, "examples": len(source), "source_state": fingerprint_of(source)})
        parts = _write(source, draft, options, Recorder(options, preprocess), workers, report)
        manifest = _finish(draft, plan, parts)
        os.replace(draft, output)
    shutil.rmtree(output / STATE)
    return manifest


def _shareable(value: Any) -> Any:
    """A description that may travel with the data: without how files are reached, and without tokens in URLs."""
    if isinstance(value, Mapping):
        return {key: _shareable(item) for key, item in value.items() if key != "storage"}
    if isinstance(value, list):
        return [_shareable(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def _is_whole(output: Path, plan: Mapping[str, Any]) -> bool:
    """Whether this very data set lies there; False for a place that is free."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    if not (output / NAME).is_file():
        raise ConfigError(f"output: {output} holds something else; choose an empty or a new folder")
    if (differing := first_difference(Manifest.read(output).plan, plan)) is not None:
        raise ConfigError(f"output: {output} was prepared with another {differing}; choose another folder, or remove this one")
    return True


def _write(source: Source, draft: Path, options: Options, recorder: Recorder, workers: int, report: Report) -> list[Part]:
    parts = list(finished(draft))
    start = parts[-1].end if parts else 0
    report(start)
    stream = _Stream(_outcomes(source, recorder, range(start, len(source)), workers, report), start)
    write = write_parquet if options.format == "parquet" else write_shard
    digits = max(5, len(str(len(source) // options.per_file)))  # readers sort files by their names
    while True:
        name = f"{len(parts):0{digits}d}"
        part = _write_part(stream, draft / f"{name}{options.suffix}", options.per_file, write)
        if part is None:
            return parts
        write_json(draft / STATE / f"{name}.json", asdict(part))
        parts.append(part)


def _outcomes(
    source: Source, recorder: Recorder, indices: Sequence[int], workers: int, report: Report
) -> Iterator[tuple[int, Record | BadSample]]:
    """Every example with its index, as a record or as the reason why there is none."""

    def work(chunk: Sequence[int]) -> list[tuple[int, Record | BadSample]]:
        return [(index, _outcome(source, recorder, index)) for index in chunk]

    for count, outcomes in in_chunks(work, indices, workers):
        yield from outcomes
        report(count)


def _outcome(source: Source, recorder: Recorder, index: int) -> Record | BadSample:
    try:
        return recorder(source[index])
    except BadSample as bad:
        return bad


class _Stream:
    """Good records one after another; the bad ones on the way are kept aside.

    Attributes:
        end: index of the first example that was not yet looked at.
        taken: good records since the last call of `part`.
    """

    def __init__(self, outcomes: Iterator[tuple[int, Record | BadSample]], start: int) -> None:
        self.outcomes = outcomes
        self.end = start
        self.taken = 0
        self.bad: list[dict[str, Any]] = []

    def take(self, most: int) -> Iterator[Record]:
        """Up to so many good records."""
        while self.taken < most and (following := next(self.outcomes, None)) is not None:
            index, outcome = following
            self.end = index + 1
            if isinstance(outcome, Record):
                self.taken += 1
                yield outcome
            else:
                self.bad.append({"index": index, "key": outcome.key, "cause": outcome.cause, "detail": outcome.detail})

    def part(self, path: Path) -> Part | None:
        """What was met since the last call, the good of it in a file; None where that was nothing."""
        file = File.of(path, self.taken) if self.taken else None
        part = Part(file, self.end, self.bad) if self.taken or self.bad else None
        self.taken, self.bad = 0, []
        return part


def _write_part(stream: _Stream, path: Path, per_file: int, write: Callable[[IO[bytes], Iterable[Record]], None]) -> Part | None:
    """The next file; None at the end of the stream."""
    records = stream.take(per_file)
    if (first := next(records, None)) is not None:  # no file for nothing
        write_atomically(path, lambda file: write(file, chain([first], records)))
    return stream.part(path)


def _finish(draft: Path, plan: dict[str, Any], parts: list[Part]) -> Manifest:
    """The list of what was left out, and the manifest."""
    files = tuple(part.file for part in parts if part.file is not None)
    bad = [sample for part in parts for sample in part.bad]
    causes = dict(Counter(sample["cause"] for sample in bad).most_common())
    if not files:
        raise DataError(f"no example of {len(bad)} can be used: " + "; ".join(f"{count} x {cause}" for cause, count in causes.items()))
    lines = "".join(json.dumps(sample) + "\n" for sample in bad)
    write_atomically(draft / "bad.jsonl", lambda file: file.write(lines.encode()))
    manifest = Manifest(plan, sum(file.examples for file in files), causes, files)
    manifest.write(draft)
    return manifest
