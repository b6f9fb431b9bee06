"""Lossless JPEG (ITU-T T.81, annex H), which nothing that is installed can write."""

from __future__ import annotations

import struct

import numpy as np

LENGTH = 5
"""Bits of every Huffman code: there are 17 categories, and the code of all ones is not used."""


def lossless_jpeg(pixels: np.ndarray, precision: int = 16) -> bytes:
    """Each pixel predicted by its left neighbour (selection value 1); uint16 [H, W]."""
    rows, columns = pixels.shape
    frame = struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    table = struct.pack(">HB16B", 19 + 17, 0, *(17 * (length == LENGTH) for length in range(1, 17))) + bytes(range(17))
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + _coded(pixels, precision) + b"\xff\xd9"


def _coded(pixels: np.ndarray, precision: int) -> bytes:
    """The differences, each as the code of its category and the bits within."""
    values = pixels.astype(np.int64)
    predicted = np.roll(values, 1, axis=1)
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << precision - 1
    bits = "".join(_bits((int(difference) + 32768) % 65536 - 32768) for difference in (values - predicted).ravel())
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")


def _bits(difference: int) -> str:
    category = 16 if difference == -32768 else abs(difference).bit_length()
    code = f"{category:0{LENGTH}b}"
    if category in (0, 16):
        return code
    return code + f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}"
