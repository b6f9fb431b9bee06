"""From whatever a source gives to pixels of known size: decoding with limits, crops, and the view that evaluation sees."""

from concord.images.decoding import (
    MAX_PIXELS,
    WHITE,
    Decoded,
    Encoded,
    arrow_bytes,
    decode,
    decode_grey,
    decode_mask,
    encoded_bytes,
    reuse_memory,
    stored_size,
)
from concord.images.preprocess import Preprocess, Resize, to_tensor
from concord.images.resampling import Box, Interpolation, Size, fitting, most_shrink, on_grid, resample

__all__ = [
    "MAX_PIXELS",
    "WHITE",
    "Box",
    "Decoded",
    "Encoded",
    "Interpolation",
    "Preprocess",
    "Resize",
    "Size",
    "arrow_bytes",
    "decode",
    "decode_grey",
    "decode_mask",
    "encoded_bytes",
    "fitting",
    "most_shrink",
    "on_grid",
    "resample",
    "reuse_memory",
    "stored_size",
    "to_tensor",
]
