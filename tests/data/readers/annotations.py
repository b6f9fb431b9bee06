"""What the tests of annotation files share: pictures on disk, and files that are not what they should be."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st

from concord.data import Source
from concord.errors import DataError
from concord.images import decode
from tests.data.samples import encode

T = TypeVar("T")


def write_images(folder: Path, names: Iterable[str]) -> None:
    """One picture per name, the first of shade 0, the next of shade 1, and so on."""
    for shade, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(shade, "PNG"))


def shade(source: Source, index: int) -> int:
    return decode(source[index].image).getpixel((0, 0))[0]  # type: ignore[index]


def rows(source: Source) -> list[tuple[str, tuple[str, ...]]]:
    return [(pair.key, pair.captions) for pair in (source[index] for index in range(len(source)))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document."""
    if path:
        yield path
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def damaged(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """The document's bytes, cut somewhere, or with one value replaced or taken out."""
    content = json.dumps(document).encode()
    if draw(st.booleans()):
        return content[: draw(st.integers(0, len(content) - 1))]
    changed = copy.deepcopy(document)
    *way, last = draw(st.sampled_from(list(places(document))))
    holder = changed
    for key in way:
        holder = holder[key]
    if draw(st.booleans()) and isinstance(holder, dict):
        del holder[last]
    else:
        holder[last] = draw(JSON)
    return json.dumps(changed).encode()


def is_read_or_refused(build: Callable[[], Source]) -> None:
    """A source is made, and all its examples are good or bad, or it is refused in one line."""
    source, reason = attempt(build)
    assert "\n" not in reason
    assert source is not None or reason
    for index in range(len(source) if source is not None else 0):
        pair, reason = attempt(lambda place=index: source[place])
        if pair is None:
            assert reason
        else:
            assert pair.captions
            assert all(caption.strip() for caption in pair.captions)
            decode(pair.image)


def attempt(make: Callable[[], T]) -> tuple[T | None, str]:
    """What was made, or the message of a mistake in the data."""
    try:
        return make(), ""
    except DataError as error:  # bad samples are data errors
        return None, str(error)


def refusal(build: Callable[[], Source]) -> str:
    with pytest.raises(DataError) as caught:
        build()
    assert "\n" not in str(caught.value)
    return str(caught.value)
