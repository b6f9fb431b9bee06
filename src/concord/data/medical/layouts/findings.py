"""Findings as CheXpert's labeller writes them: a column each, with 1, 0, -1 for uncertain, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concord.data.benchmarks.classification.class_cells import Policy, finding_of
from concord.data.benchmarks.classification.labelled import readable
from concord.data.medical.exams import UNKNOWN
from concord.errors import DataError


class Findings:
    """Which columns a data set's findings are read from, and what their values count as.

    Columns are found by name: their order is another in CheXpert than in MIMIC-CXR.

    Args:
        columns: one per class.
        class_names: as prompts and captions name the classes, in the same order; None: the columns' names in lower case.
        uncertain: what -1 counts as; or by column, those that are not named being unknown. GLoRIA (Huang et al. 2021) has
            Atelectasis, Edema and Pleural Effusion positive, Cardiomegaly and Consolidation negative.
        blank: what an empty cell counts as: nobody mentioned the finding, which does not say that it is absent.

    Raises:
        ValueError: for no column, other numbers of columns and names, and a policy for a column that is none of them.
    """

    def __init__(
        self,
        columns: list[str],
        class_names: list[str] | None = None,
        uncertain: Policy | dict[str, Policy] = "unknown",
        blank: Policy = "unknown",
    ) -> None:
        if not columns:
            raise ValueError("columns must name at least one finding, got none")
        if class_names is not None and len(class_names) != len(columns):
            raise ValueError(f"class_names must be as many as columns, {len(columns)}, got {len(class_names)}")
        policies = uncertain if isinstance(uncertain, dict) else dict.fromkeys(columns, uncertain)
        if wrong := sorted(policies.keys() - set(columns)):
            raise ValueError(f"uncertain must be by column, among {', '.join(columns)}, got {wrong[0]}")
        self.columns = columns
        self.class_names = class_names if class_names is not None else [readable(column).lower() for column in columns]
        self._uncertain = policies
        self._blank: Policy = blank

    @property
    def unknown(self) -> tuple[int, ...]:
        """Of an exam that the list does not have: what nothing counts as would claim too much."""
        return (UNKNOWN,) * len(self.columns)

    def of(self, cells: Mapping[str, Any], place: str) -> tuple[int, ...]:
        """1, 0 or `UNKNOWN` per class.

        Args:
            cells: by column.
            place: the list, for messages.

        Raises:
            DataError: for any other value, which is not told.
        """
        return tuple(self._one(cells[column], column, place) for column in self.columns)

    def _one(self, cell: Any, column: str, place: str) -> int:
        try:
            return finding_of(cell, self._uncertain.get(column, "unknown"), self._blank)
        except ValueError:
            raise DataError(f"{place}, column {column}: a finding must be 1, 0, -1 or empty, and one is not") from None
