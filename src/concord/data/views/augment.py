"""How training looks at a picture: crops, flips and colours, drawn from an explicit generator."""

from __future__ import annotations

import math
from random import Random

from concord.data.views.colours import Change, brighten, contrast, saturate, shift_hue
from concord.data.views.image_draw import Draw
from concord.data.views.stain import draw_stains
from concord.images import Box, fitting, most_shrink, on_grid


class Augmentation:
    """One recipe: a random resized crop and what happens to it. Every probability is 0 unless given.

    What is drawn depends on the size of the picture and on the generator, not on the pixels, so that a picture can be decoded
    no larger than its draws need. Boxes that leave room to shrink the picture by 2, 4 or 8 have their sides on multiples of
    that, in pixels of the original: the same box, whatever else is drawn and whether or not the picture can be shrunk.

    The order is rotation, crop, flips, quarter turns, stain, colours (in random order), grey, blur, as SimCLR has it (Chen et al.
    2020, appendix A) for what SimCLR does.

    Args:
        scale: smallest and largest share of the picture's area in the crop, in (0, 1]; None for the whole picture as
            evaluation sees it.
        ratio: narrowest and widest width / height of the crop, which is stretched to a square; None keeps the picture's own shape,
            and fills the square with the background, as `Preprocess` does where it pads.
        size: side of the result as a share of the image size, in (0, 1]; below 1 for local crops.
        flip: probability of a horizontal flip.
        vertical_flip: probability of a vertical flip.
        quarter_turns: probability of a turn by 90, 180 or 270 degrees, which are equally likely.
        rotation: largest angle in degrees, either way; corners are filled with the background.
        jitter: probability of changing the colours.
        brightness, contrast, saturation: factors are drawn from [1 - x, 1 + x].
        hue: shifts are drawn from [-x, x], as a share of the colour circle, in [0, 0.5].
        grey: probability of dropping the colours.
        stain: largest change of the stains of a histology picture, up to which both their factors 1 + x and their shifts x are
            drawn; see `Stains`. 0.05 is light, 0.2 strong (Tellez et al. 2019).
        blur: probability of a Gaussian blur.
        blur_sigma: smallest and largest standard deviation of the blur, in pixels of the result.
    """

    def __init__(
        self,
        scale: tuple[float, float] | None = None,
        ratio: tuple[float, float] | None = (3 / 4, 4 / 3),
        size: float = 1.0,
        flip: float = 0.0,
        vertical_flip: float = 0.0,
        quarter_turns: float = 0.0,
        rotation: float = 0.0,
        jitter: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        grey: float = 0.0,
        blur: float = 0.0,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        stain: float = 0.0,
    ) -> None:
        self.scale = tuple(scale) if scale is not None else None
        self.ratio = tuple(ratio) if ratio is not None else None
        self.size = size
        self.flip = flip
        self.vertical_flip = vertical_flip
        self.quarter_turns = quarter_turns
        self.rotation = rotation
        self.jitter = jitter
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.grey = grey
        self.blur = blur
        self.blur_sigma = tuple(blur_sigma)
        self.stain = stain
        self._check()

    def _check(self) -> None:
        _check_range("scale", self.scale if self.scale is not None else (1.0, 1.0), 1.0)
        _check_range("ratio", self.ratio if self.ratio is not None else (1.0, 1.0), math.inf)
        _check_range("blur_sigma", self.blur_sigma, math.inf)
        for name in ("flip", "vertical_flip", "quarter_turns", "jitter", "grey", "blur", "stain"):
            _check_number(name, getattr(self, name), 1.0)
        for name in ("brightness", "contrast", "saturation"):
            _check_number(name, getattr(self, name), math.inf)
        _check_number("hue", self.hue, 0.5)
        _check_number("rotation", self.rotation, 180.0)
        if not 0 < self.size <= 1:
            raise ValueError(f"size must lie in (0, 1], got {self.size}")
        if self.size < 1 and self.scale is None:
            raise ValueError(f"size {self.size} makes a local crop and needs a scale, got null")

    def output_size(self, image_size: int, multiple: int = 1) -> int:
        """Side of the result in pixels: the share of `image_size`, rounded to a multiple that the image tower takes."""
        return image_size if self.size == 1 else max(1, round(self.size * image_size / multiple)) * multiple

    def draw(self, width: int, height: int, size: int, rng: Random) -> Draw:
        """What is done to a picture of this size to make a square of `size`. The same generator state gives the same draw."""
        angle = rng.uniform(-self.rotation, self.rotation) if self.rotation > 0 else 0.0
        ratio = self.ratio if self.ratio is not None else (width / height, width / height)
        box = draw_box(width, height, self.scale, ratio, rng) if self.scale is not None else None
        left, top, right, bottom = box if box is not None else (0, 0, size, size)
        sides = (size, size) if self.ratio is not None else fitting(right - left, bottom - top, size)
        # Pixels that are turned or fitted as evaluation does it are taken at full size.
        shrink = most_shrink(box, sides) if box is not None and self.rotation == 0 else 1
        return Draw(
            size=size,
            angle=angle,
            box=on_grid(box, shrink, width, height) if box is not None else None,
            sides=sides,
            shrink=shrink,
            flip=rng.random() < self.flip,
            changes=self._changes(rng) if rng.random() < self.jitter else (),
            grey=rng.random() < self.grey,
            blur=rng.uniform(*self.blur_sigma) if rng.random() < self.blur else 0.0,
            # What came later draws nothing where it is off, so that recipes without it draw what they always did.
            vertical_flip=self.vertical_flip > 0 and rng.random() < self.vertical_flip,
            turns=rng.randint(1, 3) if self.quarter_turns > 0 and rng.random() < self.quarter_turns else 0,
            stains=draw_stains(self.stain, rng) if self.stain > 0 else None,
        )

    def _changes(self, rng: Random) -> tuple[Change, ...]:
        changes: list[Change] = [
            (change, rng.uniform(max(0.0, 1 - spread), 1 + spread))
            for change, spread in ((brighten, self.brightness), (contrast, self.contrast), (saturate, self.saturation))
            if spread > 0
        ]
        if self.hue > 0:
            changes.append((shift_hue, rng.uniform(-self.hue, self.hue)))
        rng.shuffle(changes)
        return tuple(changes)


def draw_box(width: int, height: int, scale: tuple[float, ...], ratio: tuple[float, ...], rng: Random) -> Box:
    """Left, top, right and bottom of a random crop: area uniform in `scale`, log of the shape uniform in `ratio`.

    After ten draws that do not fit, the largest centred crop of an allowed shape, as Inception's crops have it
    (Szegedy et al. 2015).
    """
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.randint(0, width - w), rng.randint(0, height - h)
            return left, top, left + w, top + h
    w = min(width, max(1, round(height * ratio[1])))
    h = min(height, max(1, round(width / ratio[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _check_range(name: str, value: tuple[float, ...], most: float) -> None:
    if len(value) != 2 or not 0 < value[0] <= value[1] <= most:
        limit = f" at most {most:g}" if most < math.inf else ""
        raise ValueError(f"{name} must be two positive numbers in rising order{limit}, got {list(value)}")


def _check_number(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise ValueError(f"{name} must lie in [0, {most:g}], got {value}")
