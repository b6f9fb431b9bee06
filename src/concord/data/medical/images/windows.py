"""Windows of CT: which densities, in Hounsfield units (HU), go from black to white."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from concord.errors import ConfigError, nearest

Ends = tuple[float, float]
"""What is black and what is white, in HU."""

WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-600.0, 1500.0),
    "mediastinum": (40.0, 400.0),
    "bone": (450.0, 1900.0),
    "brain": (40.0, 80.0),
    "stroke": (40.0, 40.0),
    "subdural": (75.0, 215.0),
    "temporal_bone": (600.0, 2800.0),
    "angiography": (300.0, 600.0),
    "spine": (50.0, 250.0),
    "abdomen": (50.0, 400.0),
    "liver": (90.0, 150.0),
    "whole": (1023.5, 4095.0),
}
"""Centre and width in HU, as radiologists commonly set them; "whole" is all that 12 bits hold, -1024 to 3071."""

CHANNELS = 3


def centre_and_width(window: str) -> tuple[float, float]:
    """Of a window by name, or written as "CENTRE/WIDTH".

    Raises:
        ConfigError: for an unknown name, with the nearest ones, and for a width that is not above 0.
    """
    if window in WINDOWS:
        return WINDOWS[window]
    try:
        centre, width = map(float, window.split("/"))
    except ValueError:
        raise ConfigError(f"unknown window {window!r}; {nearest(window, WINDOWS)} or CENTRE/WIDTH in HU, such as 40/400") from None
    if not (width > 0 and np.isfinite([centre, width]).all()):
        raise ConfigError(f"window {window!r}: centre and width must be finite, and the width above 0")
    return centre, width


def ends(window: str) -> Ends:
    """The window as [centre - width / 2, centre + width / 2].

    Raises:
        ConfigError: as `centre_and_width`.
    """
    centre, width = centre_and_width(window)
    return centre - width / 2, centre + width / 2


def windows(names: str | Sequence[str] | None) -> tuple[Ends, ...]:
    """The ends of one window, or of two or three that become colour channels; none for None.

    Raises:
        ConfigError: as `centre_and_width`, and for more or fewer.
    """
    if names is None:
        return ()
    several = [names] if isinstance(names, str) else list(names)
    if not 1 <= len(several) <= CHANNELS:
        raise ConfigError(f"window must name 1 to {CHANNELS} windows, which become channels, got {several}")
    return tuple(map(ends, several))


def stretched(values: np.ndarray, shown: Sequence[Ends]) -> np.ndarray:
    """Values as uint8: black up to the lower end, white from the upper one, a straight line between.

    Args:
        values: float [H, W].
        shown: one, two or three windows.

    Returns:
        [H, W] for one window, else [H, W, 3] with a channel for each; a third that is missing is black.
    """
    return as_channels([_grey(values, low, high) for low, high in shown])


def as_channels(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """One, two or three pictures [H, W] as one: itself, or [H, W, 3] with a channel for each; a third that is missing is black."""
    if len(pictures) == 1:
        return pictures[0]
    return np.stack([*pictures, *[np.zeros_like(pictures[0])] * (CHANNELS - len(pictures))], axis=-1)


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((values.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)
