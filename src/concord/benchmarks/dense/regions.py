"""Regions of images as pictures of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageFilter

from concord.errors import DataError
from concord.images import decode
from concord.items import Images, Region
from concord.types import Pair

View = Literal["crop", "blur"]

BLUR = 100
"""Radius of the blur outside of a region, pixels (Subramanian et al. 2022)."""


@dataclass(frozen=True)
class Regions:
    """Regions of the images of a test as a data set of pictures; a `Reader`.

    Attributes:
        source: the images.
        regions: the place of an image, and a box in it.
        view: "crop" shows what is inside of the box, "blur" the whole image, blurred outside.
    """

    source: Images
    regions: tuple[tuple[int, Region], ...]
    view: View

    @property
    def name(self) -> str:
        return self.source.name

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> Pair:
        place, region = self.regions[index]
        pair = self.source[place]
        key = f"{pair.key}@{','.join(f'{side:g}' for side in region)}/{self.view}"
        return Pair(shown(decode(pair.image), region, self.view, key), (), key, self.name)


def shown(picture: Image.Image, region: Region, view: View, key: str) -> Image.Image:
    """The picture of a region, without what of it lies outside of the picture.

    Raises:
        DataError: for a region that lies outside altogether.
    """
    left, upper = max(0, round(region.x)), max(0, round(region.y))
    right, lower = min(picture.width, round(region.x + region.width)), min(picture.height, round(region.y + region.height))
    if left >= right or upper >= lower:
        raise DataError(f"{key}: the box lies outside of an image of {picture.width} x {picture.height} pixels")
    inside = picture.crop((left, upper, right, lower))
    if view == "crop":
        return inside
    blurred = picture.filter(ImageFilter.GaussianBlur(BLUR))
    blurred.paste(inside, (left, upper))
    return blurred
