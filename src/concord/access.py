"""Who may see the examples of a data set, and what follows for everything that a run writes."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from concord.errors import ConcordError, DataError

Access = Literal["open", "restricted", "credentialed"]
"""open: anybody may pass the examples on. restricted: whoever wants them asks the owner, and none may be passed on. credentialed:
they are of patients, behind a personal agreement (PhysioNet and its like)."""

_ORDER = get_args(Access)
_QUOTED = re.compile(r"""(?<!\w)b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|['"].*)""")  # the last: one that was cut off


def access_of(thing: Any) -> Access:
    """Of a source, a reader, a layout or a benchmark's task; what says nothing is open."""
    return getattr(thing, "access", "open")  # type: ignore[no-any-return]


def strictest(levels: Iterable[Access]) -> Access:
    """Of a whole, given those of its parts."""
    return max(levels, key=_ORDER.index, default="open")


def is_guarded(thing: Any) -> bool:
    """Whether nothing of single examples may leave the machine's data folders: no picture, no text, no path, no identifier."""
    return access_of(thing) != "open"


def without_values(message: str) -> str:
    """A message about a file without what it quotes of the file."""
    return _QUOTED.sub("'...'", message)


def place_of(error: BaseException) -> str:
    """An error without its words, which may repeat what an example says: its class, and where in the code it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else type(error).__name__


@contextmanager
def guarding(thing: Any) -> Iterator[None]:
    """Inside, a fault of the program over guarded data ends in a `DataError` that tells where it was, and nothing of the example:
    the last line of a stack trace often repeats the value that could not be worked with."""
    try:
        yield
    except ConcordError:
        raise
    except Exception as error:
        if not is_guarded(thing):
            raise
        raise DataError(f"a fault of the program over {access_of(thing)} data: {place_of(error)}; its words are kept back") from None
