"""Single values of large JSON objects: an article of which only the licence is asked for is never made into text."""

from __future__ import annotations

import json
import re
from typing import Any

_MARK = re.compile(rb'["\[\]{}]')
_PLAIN = re.compile(rb"[^\s,\]}]+")
_SPACE = re.compile(rb"[ \t\n\r]*")
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_BACKSLASH = ord("\\")


def values_under(content: bytes, keys: frozenset[str]) -> Any:
    """As `json.loads`, but of an object only what stands under these keys. What stands under others is passed over, unchecked, and
    what follows the last of them is not looked at. Of two equal keys either may count.

    Raises:
        ValueError, RecursionError: for what is not JSON, as far as it was looked at.
    """
    position = _after_space(content, 0)
    if content[position : position + 1] != b"{":
        return json.loads(content)
    found: dict[str, Any] = {}
    position = _after_space(content, position + 1)
    closed = content[position : position + 1] == b"}"
    while not closed:
        name = _end_of_string(content, position)
        start = _after_space(content, _after(content, name, b":"))
        end = _end_of_value(content, start)
        if (key := json.loads(content[position:name])) in keys:
            found[key] = json.loads(content[start:end])
            if len(found) == len(keys):
                return found
        position = _after_space(content, end)
        closed = content[position : position + 1] == b"}"
        position = position if closed else _after_space(content, _after(content, position, b","))
    if content[position + 1 :].strip():
        raise ValueError(f"more than one value, the second at byte {position + 1}")
    return found


def _end_of_value(content: bytes, start: int) -> int:
    first = content[start : start + 1]
    if first == b'"':
        return _end_of_string(content, start)
    if first not in (b"{", b"["):
        plain = _PLAIN.match(content, start)
        if plain is None:
            raise ValueError(f"no value at byte {start}")
        return plain.end()
    depth, position = 0, start
    while (mark := _MARK.search(content, position)) is not None:
        position = _end_of_string(content, mark.start()) if mark.group() == b'"' else mark.end()
        depth += _STEP.get(mark.group(), 0)
        if depth == 0:
            return position
    raise ValueError(f"what opens at byte {start} is not closed")


def _end_of_string(content: bytes, start: int) -> int:
    end = content.find(b'"', start + 1) if content[start : start + 1] == b'"' else -1
    while end >= 0 and content[end - 1] == _BACKSLASH and _is_escaped(content, end):
        end = content.find(b'"', end + 1)
    if end < 0:
        raise ValueError(f"no text at byte {start}, or one that is not closed")
    return end + 1


def _is_escaped(content: bytes, position: int) -> bool:
    """Whether an odd number of backslashes stands before."""
    first = position
    while content[first - 1] == _BACKSLASH:
        first -= 1
    return (position - first) % 2 == 1


def _after(content: bytes, position: int, mark: bytes) -> int:
    position = _after_space(content, position)
    if content[position : position + 1] != mark:
        raise ValueError(f"no {mark.decode()} at byte {position}")
    return position + 1


def _after_space(content: bytes, position: int) -> int:
    return _SPACE.match(content, position).end()  # type: ignore[union-attr]
