"""What filters look at: one example, of which only what they ask for is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from concord.data.readers.captions import at_path
from concord.data.source import NO_CAPTION, BadSample, Source, is_described, is_keyed, key_of
from concord.errors import DataError
from concord.images import stored_size
from concord.types import Pair


class Candidate:
    """An example that filters judge. Each of its properties raises `BadSample` when it cannot be read.

    Args:
        source: where it stands.
        index: in the source.
    """

    def __init__(self, source: Source, index: int) -> None:
        self.source = source
        self.index = index

    @cached_property
    def key(self) -> str:
        return key_of(self.source, self.index)

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """All of them; empty for an example without any."""
        try:
            return self.source.captions(self.index) if is_keyed(self.source) else self._pair.captions
        except BadSample as bad:
            if bad.cause == NO_CAPTION:
                return ()
            raise

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        return self.source.metadata(self.index) if is_described(self.source) else self._pair.metadata

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height of the image in pixels, as it is stored: from the metadata where they stand there, else from the
        header of the image."""
        width, height = number(self.metadata.get("width")), number(self.metadata.get("height"))
        if width is not None and height is not None and width > 0 and height > 0:
            return width, height
        try:
            return stored_size(self._pair.image)
        except DataError as error:
            raise error if isinstance(error, BadSample) else BadSample("image cannot be decoded", self.key, str(error)) from None

    def field(self, path: str) -> Any:
        """The value at dotted keys of the metadata; None where there is none."""
        return at_path(self.metadata, path)

    @cached_property
    def _pair(self) -> Pair:
        return self.source[self.index]


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        converted = float(value)
    except (ValueError, OverflowError):
        return None
    return converted if math.isfinite(converted) else None
