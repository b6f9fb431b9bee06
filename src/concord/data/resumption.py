"""Whether a run can go on where a checkpoint stands."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from concord.data.order import Setting
from concord.data.source import Source, fingerprint_of
from concord.errors import CheckpointError

logger = logging.getLogger(__name__)


def check_same_order(before: Mapping[str, Setting], now: Mapping[str, Setting]) -> None:
    """Refuse to go on in another order than the one in which the examples so far were read.

    Args:
        before, now: the settings on which the order depends, by the name of their key under `data`.

    Raises:
        CheckpointError: naming the first that differs.
    """
    for name in {**now, **before}:
        old, new = (_shown(settings.get(name)) for settings in (before, now))
        if old != new:
            raise CheckpointError(
                f"the checkpoint was trained with data.{name}={old}, this run has {new}; "
                f"resume with {old}, or start a new run from the weights with checkpoint="
            )


def warn_of_other_files(before: str | None, source: Source) -> None:
    """Files that were copied or touched are no reason to stop; the order goes by number, whatever they hold now."""
    now = fingerprint_of(source)
    if before is not None and now is not None and before != now:
        logger.warning(
            "the files of %s are not the ones that the checkpoint was trained on, by their names, sizes or versions; "
            "the run goes on as if they held the same examples in the same order",
            source.name,
        )


def _shown(value: Setting) -> str:
    return "null" if value is None else str(value)
