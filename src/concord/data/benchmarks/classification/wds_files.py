"""The text files beside the shards of CLIP_benchmark's `wds` layout, and their number."""

from __future__ import annotations

from typing import Literal, get_args

from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError, nearest

Kind = Literal["classification", "multilabel", "retrieval"]

NAMES, TEMPLATES, KIND, COUNT = "classnames.txt", "zeroshot_classification_templates.txt", "dataset_type.txt", "nshards.txt"
PLACEHOLDER = "{c}"


class WdsFiles:
    """A folder in this layout.

    Args:
        path: the folder, or its URL.
        storage: reads it.
    """

    def __init__(self, path: str, storage: Storage) -> None:
        self.path = path.rstrip("/")
        self.place = without_secrets(self.path)
        self.storage = storage

    def kind(self) -> Kind:
        """What the shards hold; classification where nothing says so.

        Raises:
            DataError: for another word.
        """
        lines = self._lines(KIND)
        kind = lines[0].lower() if lines else "classification"
        if kind not in get_args(Kind):
            raise DataError(f"{self.place}/{KIND}: {kind!r} is no kind of data set; {nearest(kind, get_args(Kind))}")
        return kind  # type: ignore[return-value]

    def class_names(self, objective: str | None) -> list[str]:
        """By label; those of one objective where the file has several.

        Raises:
            DataError: for a missing file, and an objective that it does not have.
        """
        lines = self._lines(NAMES)
        if lines is None:
            raise DataError(f"{self.place}/{NAMES} is missing; write one class name a line, or set class_names")
        return self._of_objective(NAMES, lines, objective)

    def templates(self, objective: str | None) -> list[str] | None:
        """With `{}` for the class name; None where there is no such file.

        Raises:
            DataError: for a template without placeholder, which would describe all classes alike.
        """
        lines = self._lines(TEMPLATES)
        if not lines:
            return None
        templates = self._of_objective(TEMPLATES, [line for line in lines if line], objective)
        for template in templates:
            if PLACEHOLDER not in template:
                raise DataError(f"{self.place}/{TEMPLATES}: {template!r} lacks the placeholder {PLACEHOLDER} for the class name")
        return [template.replace(PLACEHOLDER, "{}") for template in templates]

    def shards(self, split: str) -> list[str]:
        """0.tar, 1.tar, ..., as many as nshards.txt says.

        Raises:
            DataError: for a missing file, one that holds no number, and a number that does not agree with the shards.
        """
        lines = self._lines(f"{split}/{COUNT}")
        place = f"{self.place}/{split}"
        if lines is None:
            raise DataError(f"{place}/{COUNT} is missing; it holds the number of shards; are path and split right?")
        if len(lines) != 1 or not lines[0].isascii() or not lines[0].isdigit() or int(lines[0]) == 0:
            raise DataError(f"{place}/{COUNT}: expected the number of shards, got {' '.join(lines)[:40]!r}")
        count = int(lines[0])
        shards = [f"{self.path}/{split}/{number}.tar" for number in range(count)]
        missing = next((shard for shard in shards if not self._is_there(shard)), None)
        if missing is not None:
            raise DataError(f"{place}/{COUNT} says {count} shards, but {without_secrets(missing)} is missing; download it again")
        if self._is_there(f"{self.path}/{split}/{count}.tar"):
            raise DataError(f"{place}/{COUNT} says {count} shards, but there is {count}.tar as well; correct the number")
        return shards

    def _lines(self, file: str) -> list[str] | None:
        """The lines of a text file without what surrounds them; None where it is missing."""
        path = f"{self.path}/{file}"
        if not self._is_there(path):
            return None
        try:
            lines = self.storage.read(path).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise DataError(f"{self.place}/{file} is not UTF-8") from None
        return [line.strip() for line in lines]

    def _is_there(self, path: str) -> bool:
        try:
            return self.storage.state(path).size >= 0
        except StorageError as error:
            if error.cause == "file not found":
                return False
            raise

    def _of_objective(self, file: str, lines: list[str], objective: str | None) -> list[str]:
        """Lines "OBJECTIVE:TEXT" of one objective, without it."""
        if objective is None:
            return lines
        chosen = [text for line in lines for prefix, colon, text in (line.partition(":"),) if colon and prefix == objective]
        if not chosen:
            known = [prefix for prefix, colon, _ in (line.partition(":") for line in lines) if colon]
            advice = nearest(objective, known) if known else "set objective to null"
            raise DataError(f"{self.place}/{file} has no lines {objective}:... (objective); {advice}")
        return chosen
