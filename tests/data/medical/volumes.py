"""NIfTI files of a phantom whose every side is different."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

LIVER, NOSE, CROWN = 120, 260, 400
"""Values of a mark on the patient's right, at the front and at the head; it is 40 elsewhere."""

SPACING = (2.0, 3.0, 5.0)
"""Of the axes to the right, to the front and to the head, in mm."""


def body(shape: tuple[int, int, int] = (8, 10, 6)) -> np.ndarray:
    """int16 [x, y, z] in RAS+: x grows to the patient's right, y to the front, z to the head."""
    volume = np.full(shape, 40, dtype=np.int16)
    volume[-2:, 3:5, 2:4] = LIVER
    volume[3:5, -2:, 2:4] = NOSE
    volume[3:5, 3:5, -1] = CROWN
    return volume


def stored(
    values: np.ndarray, codes: str = "RAS", slope: float | None = None, intercept: float = 0.0, spacing: tuple[float, ...] = SPACING
) -> Any:
    """A NIfTI-1 image of a volume in RAS+ whose axes are stored in another order, such as "LPS".

    Args:
        slope, intercept: go into the header; the integers are stored as they are.
    """
    canonical = axcodes2ornt(tuple("RAS"))
    change = ornt_transform(canonical, axcodes2ornt(tuple(codes)))
    affine = np.diag([*spacing, 1.0]) @ inv_ornt_aff(change, values.shape[:3])
    image = nibabel.Nifti1Image(nibabel.orientations.apply_orientation(values, change), affine)
    if slope is not None:
        image.header.set_slope_inter(slope, intercept)
        image.header["scl_slope"], image.header["scl_inter"] = slope, intercept
    return image


def encoded(image: Any, compressed: bool = False) -> bytes:
    """The bytes of a .nii or .nii.gz file; slope and intercept as the header has them, the integers unchanged."""
    header = image.header.copy()
    raw = np.asarray(image.dataobj)
    out = type(image)(raw, image.affine, header)
    slope, intercept = float(image.header["scl_slope"]), float(image.header["scl_inter"])
    content = bytearray(out.to_bytes())
    if np.isfinite(slope):  # nibabel leaves them out of what it writes
        content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    return gzip.compress(bytes(content), 1, mtime=0) if compressed else bytes(content)
