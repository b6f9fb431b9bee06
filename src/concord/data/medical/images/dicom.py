"""Dicom: from the bytes of a DICOM file to the picture that a radiologist sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from concord.data.medical.images.allowed import MAX_BYTES, Opened, carefully, opened, word
from concord.data.medical.images.colour import from_palette, from_samples
from concord.data.medical.images.frames import Frame, check_size, frames_of, read_frame, which
from concord.data.medical.images.functional_groups import take_frame
from concord.data.medical.images.geometry import square_pixels, ultrasound_regions
from concord.data.medical.images.grey import cells_of, modality_of, percentiles_of, voi_of
from concord.data.medical.images.lookup import Cells, Rendering, Stretch, render
from concord.data.medical.images.syntaxes import is_masked, is_raw
from concord.data.medical.images.windows import as_channels, windows
from concord.errors import DataError
from concord.images import MAX_PIXELS

if TYPE_CHECKING:
    from pydicom import Dataset


class Dicom:
    """Decodes one frame in the order of the standard: modality transform, window or VOI table, scaling by the range that the
    values can have, inversion of MONOCHROME1.

    Of enhanced files the rescale, the window and the spacing of the frame are read from its functional groups.

    Only elements that say nothing of the patient are read (`allowed.ALLOWED`), and none of their values is ever part of a message.

    Args:
        frame: of files with several: "middle", its place from 0 on, its share of the length as a float in [0, 1], or "error" to
            refuse them. Positions that a data set gives for single pictures go before it.
        window: of CT in Hounsfield units, in place of the file's own: a name such as "lung" or "CENTRE/WIDTH"; of two or three,
            each becomes a colour channel. As these units are of the body and not of the display, MONOCHROME1 then inverts nothing.
        voi_index: which of the file's windows or VOI tables, from 0 on.
        percentiles: for files without any: between which percentiles of the picture, without its padding, grey values are
            stretched. None shows the whole range that values can have.
        regions: cut the box around the ultrasound regions, where the file names some.
        square: resize pictures whose pixels are no squares.
        force: read files that do not start with a preamble and "DICM".
        deidentified: who publishes the files has removed what identifies patients: files that do not say so themselves
            (PatientIdentityRemoved), as in most public data sets, are read. Those that say NO are refused even then.
        allow_unverified_phi: read whatever they say, also files whose pixels show who it is (BurnedInAnnotation).
        max_pixels: the most pixels that a frame may have.
        max_bytes: the most bytes that a file may have when it was deflated.

    Raises:
        ConfigError: for a window that is not known.
    """

    def __init__(
        self,
        frame: Frame = "middle",
        window: str | list[str] | None = None,
        voi_index: int = 0,
        percentiles: tuple[float, float] | None = (0.5, 99.5),
        regions: bool = False,
        square: bool = True,
        force: bool = False,
        deidentified: bool = False,
        allow_unverified_phi: bool = False,
        max_pixels: int = MAX_PIXELS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        _check_frame(frame)
        if voi_index < 0:
            raise ValueError(f"voi_index must be at least 0, got {voi_index}")
        if percentiles is not None and not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles must rise within 0..100, got {list(percentiles)}")
        for name, limit in (("max_pixels", max_pixels), ("max_bytes", max_bytes)):
            if limit < 1:
                raise ValueError(f"{name} must be at least 1, got {limit}")
        self.force = force
        self._frame = frame
        self._windows = [Stretch(low, high) for low, high in windows(window)]
        self._voi_index = voi_index
        self._percentiles = percentiles
        self._regions, self._square = regions, square
        self._deidentified, self._allow = deidentified, allow_unverified_phi
        self._max_pixels, self._max_bytes = max_pixels, max_bytes

    def __call__(self, content: bytes, position: float | None = None) -> np.ndarray:
        """The picture of a file, uint8 [H, W] or [H, W, 3].

        Args:
            position: of the frame, as a share of the length in [0, 1]; None leaves the choice to `frame`.

        Raises:
            DataError: for a file that is broken, too large, not DICOM, or may show who was examined. It names nothing of the file.
            MissingExtraError: without pydicom, or what decodes the file's transfer syntax.
        """
        return carefully(lambda: self._picture(content, position))

    def _picture(self, content: bytes, position: float | None) -> np.ndarray:
        file = opened(content, self.force, self._max_bytes)
        self._require_unidentified(file.dataset)
        check_size(file.dataset, self._max_pixels)
        layout = cells_of(file.dataset, is_masked(file.syntax), is_raw(file.syntax))
        index = which(self._frame, frames_of(file.dataset), position)
        pixels, photometric = read_frame(file, index)
        take_frame(file.dataset, index)
        picture = self._shown(_unsigned(pixels), photometric, layout, file)
        if self._regions:
            picture = ultrasound_regions(picture, file.dataset)
        if self._square:
            picture = square_pixels(picture, file.dataset, self._max_pixels)
        return np.ascontiguousarray(picture)

    def _require_unidentified(self, dataset: Dataset) -> None:
        if self._allow:
            return
        way_out = "look at your files, and read them with allow_unverified_phi=true where they may be"
        if word(dataset, "BurnedInAnnotation") == "YES":
            raise DataError(f"a DICOM file says that its pixels show who was examined (BurnedInAnnotation); {way_out}")
        removed = word(dataset, "PatientIdentityRemoved")
        if removed != "YES" and not (self._deidentified and removed == ""):
            said = "deidentified=true tells that who publishes them did so" if removed == "" else way_out
            raise DataError(f"a DICOM file does not say that its patient's identity was removed (PatientIdentityRemoved); {said}")

    def _shown(self, cells: np.ndarray, photometric: str, layout: Cells, file: Opened) -> np.ndarray:
        if cells.ndim == 3:
            return from_samples(cells, photometric, layout)
        if photometric == "PALETTE COLOR":
            return from_palette(cells, file.dataset, layout)
        if photometric not in ("MONOCHROME1", "MONOCHROME2"):
            raise DataError("the grey values of a DICOM file are neither MONOCHROME1 nor MONOCHROME2")
        return as_channels([render(cells, rendering) for rendering in self._renderings(layout, photometric, file.dataset)])

    def _renderings(self, layout: Cells, photometric: str, dataset: Dataset) -> Sequence[Rendering]:
        whole = Rendering(layout, modality_of(dataset))
        if self._windows:
            if whole.modality is None:
                raise DataError("a window in Hounsfield units needs a DICOM file with RescaleSlope and RescaleIntercept")
            return [replace(whole, voi=window) for window in self._windows]
        voi = voi_of(dataset, self._voi_index)
        if voi is None and self._percentiles is not None:
            return [replace(whole, voi=percentiles_of(dataset, *self._percentiles, layout), inverted=photometric == "MONOCHROME1")]
        return [replace(whole, voi=voi, inverted=photometric == "MONOCHROME1")]


def _check_frame(frame: Frame) -> None:
    if isinstance(frame, float) and 0 <= frame <= 1:
        return
    if isinstance(frame, int) and not isinstance(frame, bool) and frame >= 0:
        return
    if frame not in ("middle", "error"):
        raise ValueError(f"frame must be middle, error, a place from 0 on, or a share in [0.0, 1.0], got {frame!r}")


def _unsigned(pixels: np.ndarray) -> np.ndarray:
    """The same cells in the order of this machine, without a sign."""
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native.view(f"u{native.dtype.itemsize}")
