"""Transfer syntaxes: how the pixels of a DICOM file are encoded, and what decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from concord.errors import DataError, MissingExtraError


@dataclass(frozen=True)
class Plugin:
    """What pydicom decodes pixels with.

    Attributes:
        name: as pydicom calls it.
        package: what is to be installed.
        modules: what must be there.
        extra: of concord.
    """

    name: str
    package: str
    modules: tuple[str, ...]
    extra: str


PILLOW = Plugin("pillow", "pillow", ("PIL",), "medical")
JPEG_LS = Plugin("pyjpegls", "pyjpegls", ("jpeg_ls",), "medical")
OPENJPEG = Plugin("pylibjpeg", "pylibjpeg-openjpeg", ("pylibjpeg", "openjpeg"), "medical")
RLE = Plugin("pylibjpeg", "pylibjpeg-rle", ("pylibjpeg", "rle"), "medical")
LIBJPEG = Plugin("pylibjpeg", "pylibjpeg-libjpeg", ("pylibjpeg", "libjpeg"), "medical_gpl")

PREFIX = "1.2.840.10008.1.2"

RLE_LOSSLESS = f"{PREFIX}.5"

NATIVE = ("", ".1", ".2", ".1.99")
"""Syntaxes whose pixels are not compressed by themselves, by the end of their UID: implicit, explicit, big endian, deflated."""

ENCODED = {
    ".5": RLE,
    ".4.50": PILLOW,
    ".4.51": LIBJPEG,
    ".4.57": LIBJPEG,
    ".4.70": LIBJPEG,
    ".4.80": JPEG_LS,
    ".4.81": JPEG_LS,
    ".4.90": OPENJPEG,
    ".4.91": OPENJPEG,
    ".4.201": OPENJPEG,
    ".4.202": OPENJPEG,
    ".4.203": OPENJPEG,
}
"""The one plugin that decodes each of the others: RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K. Where several could, this is fixed: lossy
ones decode a little differently with each, and what a model sees must not depend on what else is installed."""

WITHOUT_UNUSED_BITS = (".4.80", ".4.81", ".4.90", ".4.91", ".4.201", ".4.202", ".4.203")
"""Their decoders give samples of the encoded precision, with the sign that the file says; there is nothing to be masked."""


def is_native(uid: str) -> bool:
    return uid.startswith(PREFIX) and uid[len(PREFIX) :] in NATIVE


def is_masked(uid: str) -> bool:
    """Whether cells may hold bits that are not part of the stored value."""
    return uid[len(PREFIX) :] not in WITHOUT_UNUSED_BITS


def is_raw(uid: str) -> bool:
    """Whether cells are kept whole, with the unused bits below the value."""
    return is_native(uid) or uid == RLE_LOSSLESS


def plugin_for(uid: str, bits_allocated: int) -> str:
    """What pydicom must decode the pixels with; "" where it needs nothing.

    Raises:
        DataError: for a syntax that cannot be decoded, such as a film.
        MissingExtraError: naming the syntax, and the extra that has its plugin.
    """
    if is_native(uid):
        return ""
    suffix = uid[len(PREFIX) :] if uid.startswith(PREFIX) else ""
    if suffix not in ENCODED:
        raise DataError(f"the pixels of a DICOM file cannot be decoded: its transfer syntax is {_registered(uid)}")
    plugin = PILLOW if suffix == ".4.51" and bits_allocated == 8 else ENCODED[suffix]
    if any(find_spec(module) is None for module in plugin.modules):
        raise MissingExtraError(f"{plugin.package}, which decodes {_registered(uid)} of DICOM files,", plugin.extra)
    return plugin.name


def _registered(uid: str) -> str:
    """The name of the syntax; what is no public one is not shown."""
    from pydicom.uid import UID

    name = UID(uid).name
    return name if name != uid else "a private one"
