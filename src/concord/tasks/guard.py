"""What is refused of guarded data before anything of them is written, who may look into their runs, and training data that hold
what will be tested."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from concord.access import access_of, is_guarded
from concord.benchmarks import Bench
from concord.data import Source
from concord.data.medical import AnswerChoice
from concord.data.medical.parts import patients_in
from concord.errors import ConfigError, DataError


def refuse_guarded(wish: str, things: Iterable[Any], way_out: str) -> None:
    """Refuse to show examples of guarded data.

    Args:
        wish: the key and its value that asks for them.
        things: sources and tasks of a benchmark.
        way_out: what to do instead.

    Raises:
        ConfigError: naming the first that is guarded.
    """
    for thing in things:
        if is_guarded(thing):
            name = thing.name if hasattr(thing, "name") else thing.reader.name
            raise ConfigError(f"{wish}: {name} is {access_of(thing)}, so no picture, text or path of it may be shown or copied; {way_out}")


def keep_to_owner(folder: Path, things: Iterable[Any]) -> None:
    """Let nobody but its owner into the folder of a run on guarded data, whatever the modes of the files in it.

    Args:
        folder: of the run; it exists.
        things: sources and tasks of a benchmark.
    """
    if any(map(is_guarded, things)):
        folder.chmod(0o700)


def refuse_shared_patients(source: Source, bench: Bench) -> None:
    """Refuse to train on patients whom the benchmark tests on.

    Raises:
        DataError: naming the test and the number of patients.
    """
    trained = patients_in(source)
    for name, task in bench.tasks.items() if trained else ():
        reader = task.reader
        for cohort, patients in patients_in(reader.images if isinstance(reader, AnswerChoice) else reader).items():
            if shared := len(patients & trained.get(cohort, set())):
                raise DataError(
                    f"{source.name}: {shared} of {len(patients)} patients of benchmark.tasks.{name} are in the training data ({cohort}); "
                    "give them different splits of the same patient_split, or leave the test's patients out with exclude"
                )
