"""A folder that is being written: what is planned for it, what of that is done, and who writes."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concord.data.preparation.manifest import File
from concord.errors import ConfigError, DataError
from concord.files import remove_leftovers, write_json

STATE = ".state"
"""Folder inside the unfinished one that tells a later run what is done."""


@dataclass
class Part:
    """One file of the result and what was left out on the way to its last example.

    Attributes:
        file: None where the rest of the source was bad.
        end: index of the source's first example that comes after it.
        bad: as they stand in `bad.jsonl`.
    """

    file: File | None
    end: int
    bad: list[dict[str, Any]]


def begin(draft: Path, plan: Mapping[str, Any]) -> None:
    """Write down what will be written, or go on with the same."""
    path = draft / STATE / "plan.json"
    if path.is_file():
        differing = first_difference(json.loads(path.read_text(encoding="utf-8")), plan)
        if differing is not None:
            raise ConfigError(f"output: {draft} was begun with another {differing}; remove it, or choose another output")
    elif {found.name for found in draft.iterdir()} != {STATE}:
        raise ConfigError(f"output: {draft} holds something else; remove it, or choose another output")
    else:
        write_json(path, plan)
    remove_leftovers(draft)


def first_difference(first: Mapping[str, Any], second: Mapping[str, Any], path: str = "") -> str | None:
    """The first key whose values differ, with its path; None where none does."""
    for key in dict.fromkeys((*first, *second)):
        one, other = first.get(key), second.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if (inner := first_difference(one, other, f"{path}{key}.")) is not None:
                return inner
        elif one != other:
            return f"{path}{key} ({one}, now {other})"
    return None


@contextmanager
def alone(draft: Path) -> Iterator[None]:
    """Keep other runs out of the folder. The lock ends with this process and its workers, however they end."""
    (draft / STATE).mkdir(parents=True, exist_ok=True)
    with (draft / STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"output: another run is writing {draft}; wait until it ends") from None
        yield


def finished(draft: Path) -> Iterator[Part]:
    """The parts that an earlier run wrote, up to the first that is missing or not as it was written."""
    for path in sorted((draft / STATE).glob("[0-9]*.json")):
        state = json.loads(path.read_text(encoding="utf-8"))
        file = File(**state["file"]) if state["file"] is not None else None
        if file is not None and not file.is_in(draft):
            return
        yield Part(file, state["end"], state["bad"])
