"""What is decided about the files that are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Format = Literal["parquet", "shards"]


@dataclass(frozen=True)
class Options:
    """How a data set is written.

    Args:
        format: "parquet" (columns `key`, `image`, `caption`, `source`, `metadata`) or "shards" (WebDataset's tar files).
        per_file: examples in each file; the last may hold fewer.
        short_side: in pixels; images whose shorter side is longer are resized to it and stored as JPEG, in RGB and upright.
            None, and smaller images: the bytes are copied as they are.
        quality: of these JPEGs, in 1..100.
        validate: decode every image and leave out those that cannot be decoded. With a `short_side` that is done in any case.

    Raises:
        ValueError: for a value outside its range.
    """

    format: Format = "parquet"
    per_file: int = 10_000
    short_side: int | None = None
    quality: int = 90
    validate: bool = True

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise ValueError(f"format must be one of {', '.join(get_args(Format))}, got {self.format!r}")
        if self.per_file < 1:
            raise ValueError(f"per_file must be at least 1, got {self.per_file}")
        if self.short_side is not None and self.short_side < 1:
            raise ValueError(f"short_side must be at least 1, or null, got {self.short_side}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must lie in 1..100, got {self.quality}")

    @property
    def suffix(self) -> str:
        """Of the files that are written."""
        return ".parquet" if self.format == "parquet" else ".tar"
