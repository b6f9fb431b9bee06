"""Who may see the examples of a data set, and what follows for everything that a run writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

Access = Literal["open", "restricted", "credentialed"]
"""open: anybody may pass the examples on. restricted: whoever wants them asks the owner, and none may be passed on. credentialed:
they are of patients, behind a personal agreement (PhysioNet and its like)."""

_ORDER = get_args(Access)


def access_of(thing: Any) -> Access:
    """Of a source, a reader or a layout; what says nothing is open."""
    return getattr(thing, "access", "open")  # type: ignore[no-any-return]


def strictest(levels: Iterable[Access]) -> Access:
    """Of a whole, given those of its parts."""
    return max(levels, key=_ORDER.index, default="open")


def is_guarded(thing: Any) -> bool:
    """Whether nothing of single examples may leave the machine's data folders: no picture, no text, no path, no identifier."""
    return access_of(thing) != "open"
