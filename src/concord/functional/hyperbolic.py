"""Lorentz geometry: hyperbolic space of curvature -k as the upper sheet of a hyperboloid (MERU: Desai et al. 2023).

A point is kept by its space part [..., E]; its time part sqrt(1/k + |x|^2) follows from it. With the Lorentz product
<x, y> = x . y - x0 y0, everything here is written with u = -k <x, y> - 1 >= 0, which is computed from differences and not
from the product, because the product cancels in fp32 where points are close.

Dimensions: N, M points, E width of the space part.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from concord.functional.precision import full_precision

_LARGEST_ARGUMENT = math.asinh(2.0**15)  # beyond it sinh leaves the range in which fp32 squares are harmless
_TINY = 1e-12  # below the square of fp32 resolution: keeps the root differentiable at coincident points
_MARGIN = 1e-6  # the least distance from 1 that fp32 resolves well enough for acos and asin to have finite slopes
_CHUNK = 2**26  # elements of the [rows, M, E] differences that may exist at a time


@full_precision
def exp_map0(v: Tensor, curvature: Tensor | float) -> Tensor:
    """Lift tangent vectors at the root onto the hyperboloid (MERU, eq. 3).

    Args:
        v: [..., E] tangent vectors; their length is the hyperbolic distance to the root.
        curvature: k > 0.

    Returns:
        The space part [..., E]: sinh(sqrt(k) |v|) / (sqrt(k) |v|) * v. Its length is capped near 2^15 / sqrt(k).
    """
    radius = torch.linalg.vector_norm(v, dim=-1, keepdim=True) * curvature**0.5
    radius = radius.clamp(min=1e-8)
    return radius.clamp(max=_LARGEST_ARGUMENT).sinh() / radius * v


@full_precision
def pairwise_distance(x: Tensor, y: Tensor, curvature: Tensor | float) -> Tensor:
    """Geodesic distance of every x to every y, [N, M].

    Equal to acosh(-k <x, y>) / sqrt(k); the form used here keeps its relative accuracy and a finite gradient for close and
    coincident points in fp32.

    Args:
        x: [N, E] space parts.
        y: [M, E] space parts.
        curvature: k > 0.
    """
    rows = max(1, _CHUNK // max(1, y.numel()))
    euclidean = torch.cat([torch.cdist(part, y, compute_mode="donot_use_mm_for_euclid_dist") for part in torch.split(x, rows)])
    u = _excess(euclidean.square(), x[:, None], y, curvature)
    return torch.log1p(u + _root(u)) / curvature**0.5


@full_precision
def half_aperture(x: Tensor, curvature: Tensor | float, min_radius: float = 0.1) -> Tensor:
    """Half of the opening of the entailment cone at x, in radians (MERU, eq. 5): asin(2 r / (sqrt(k) |x|)).

    Args:
        x: [..., E] space parts.
        curvature: k > 0.
        min_radius: r; where sqrt(k) |x| is below 2 r the cone is the widest, a half space (pi / 2).
    """
    length = torch.linalg.vector_norm(x, dim=-1) * curvature**0.5
    return torch.asin((2 * min_radius / length.clamp(min=1e-8)).clamp(max=1 - _MARGIN))


@full_precision
def exterior_angle(x: Tensor, y: Tensor, curvature: Tensor | float) -> Tensor:
    """Exterior angle at x of the triangle root, x, y, in radians (MERU, eq. 7): 0 where y lies behind x on the same ray.

    Args:
        x: [..., E] space parts, the vertex.
        y: [..., E] space parts, row by row.
        curvature: k > 0.
    """
    u = _excess((x - y).square().sum(dim=-1), x, y, curvature)
    rise = -_time_difference(x, y, curvature) - _time(x, curvature) * u
    cosine = rise / (torch.linalg.vector_norm(x, dim=-1).clamp(min=1e-8) * _root(u))
    return torch.acos(cosine.clamp(-1 + _MARGIN, 1 - _MARGIN))


def entailment(general: Tensor, specific: Tensor, curvature: Tensor | float, min_radius: float = 0.1) -> Tensor:
    """How far each specific point lies outside the cone of its general one, in radians, [N] (MERU, eq. 6).

    Args:
        general: [N, E] space parts of what entails (texts).
        specific: [N, E] space parts of what is entailed (images).
        curvature: k > 0.
        min_radius: see `half_aperture`.
    """
    return (exterior_angle(general, specific, curvature) - half_aperture(general, curvature, min_radius)).relu()


def _time(x: Tensor, curvature: Tensor | float) -> Tensor:
    return (1 / curvature + x.square().sum(dim=-1)).sqrt()


def _time_difference(x: Tensor, y: Tensor, curvature: Tensor | float) -> Tensor:
    """x0 - y0 without the cancellation of subtracting two roots."""
    return (x.square().sum(dim=-1) - y.square().sum(dim=-1)) / (_time(x, curvature) + _time(y, curvature))


def _excess(squared_euclidean: Tensor, x: Tensor, y: Tensor, curvature: Tensor | float) -> Tensor:
    """u = -k <x, y> - 1, from the Lorentz square of x - y."""
    return curvature * (squared_euclidean - _time_difference(x, y, curvature).square()).clamp(min=0) / 2


def _root(u: Tensor) -> Tensor:
    """sqrt((1 + u)^2 - 1)."""
    return (u * (u + 2) + _TINY).sqrt()
