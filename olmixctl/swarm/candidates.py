"""Mixtures a swarm may choose from, and the region in which its law should be known; both around the reference.

The optimum of a smooth objective F with KL to the reference p0 has the form p ∝ p0 · exp(−∇F/λ): a tilt of p0. So the
region is made of tilts, with slopes that are normal and of several sizes, and so are most candidates. Others lift
a coordinate, or leave some out.

Array dimensions: N candidates, T points of the region, C coordinates with a positive prior and room under their limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["inside", "pool_of", "region_of"]

Array = NDArray[np.float64]

REGION = (0.4, 1.6)
"""Sizes of the slopes of the tilts that make up the region, log-spaced: standard deviations of log(p/p0)."""
TILTS = (0.4, 2.5)
"""The same of the candidates: runs lie around the region as well as in it."""
LIFTS = (0.05, 0.5)
"""What a candidate may add to one coordinate."""
KEPT = (0.3, 1.0)
"""Which part of the coordinates a thin candidate keeps."""
SMALLEST = 0.002
"""Thin candidates have no share smaller than this: it would train on next to nothing."""
_POOL, _REGION = 0, 1
_LEAST_PRIOR = 1e-300


def region_of(prior_C: Array, seed: int, size: int) -> Array:
    """Points the solver may end at: T × C."""
    rng = _generator(seed, _REGION, 0)
    size_T = _spaced(REGION, size)
    return _tilted(prior_C, rng.standard_normal((size, len(prior_C))) * size_T[:, None])


def pool_of(prior_C: Array, seed: int, part: int, size: int) -> Array:
    """The candidates of one part of the swarm, before limits: N × C; each part has its own. The first is the reference.

    A quarter leave coordinates out and a quarter lift one of them, each in turn: among plain tilts of the reference
    stand neither.
    """
    rng = _generator(seed, _POOL, part)
    coordinates, kind_N = len(prior_C), np.arange(size) % 4
    size_N = _spaced(TILTS, size)[rng.permutation(size)]
    points_NC = _tilted(prior_C, rng.standard_normal((size, coordinates)) * size_N[:, None])
    kept_NC = rng.random((size, coordinates)) < rng.uniform(*KEPT, size)[:, None]
    points_NC = np.where((kind_N == 1)[:, None], _thinned(points_NC, kept_NC), points_NC)
    lift_N = np.where(kind_N == 2, rng.uniform(*LIFTS, size), 0.0)
    points_NC *= 1.0 - lift_N[:, None]
    points_NC[np.arange(size), (np.arange(size) // 4) % coordinates] += lift_N
    points_NC[0] = prior_C
    return np.asarray(points_NC / points_NC.sum(axis=1, keepdims=True))


def _thinned(points_NC: Array, kept_NC: NDArray[np.bool_]) -> Array:
    """The points without what is not kept and without small shares; as they were where that is nearly everything."""
    thin_NC = np.where(kept_NC & (points_NC >= SMALLEST), points_NC, 0.0)
    return np.where(thin_NC.sum(axis=1, keepdims=True) > SMALLEST, thin_NC, points_NC)


def inside(points_NC: Array, caps_C: Array, prior_C: Array) -> Array:
    """The points cut at the limits, what is cut off poured onto the other coordinates in proportion: N × C.

    Sampled coordinates take it first; where they are all full, the others by their prior.
    """
    found_NC = np.minimum(points_NC, caps_C)
    for pour_NC in (points_NC, np.broadcast_to(prior_C, points_NC.shape)):
        for _ in range(len(caps_C)):
            missing_N = 1.0 - found_NC.sum(axis=1)
            open_NC = np.where(found_NC < caps_C, pour_NC, 0.0)
            room_N = open_NC.sum(axis=1)
            pouring_N = (missing_N > 1e-12) & (room_N > 0)
            if not pouring_N.any():
                break
            share_N = np.where(pouring_N, missing_N / np.where(room_N > 0, room_N, 1.0), 0.0)
            found_NC = np.minimum(found_NC + share_N[:, None] * open_NC, caps_C)
    return found_NC


def _tilted(prior_C: Array, slopes_NC: Array) -> Array:
    """Tilts of the prior, p ∝ p0 · exp(slope): N × C."""
    logs_NC = np.log(np.maximum(prior_C, _LEAST_PRIOR)) + slopes_NC
    points_NC = np.exp(logs_NC - logs_NC.max(axis=1, keepdims=True))
    return np.asarray(points_NC / points_NC.sum(axis=1, keepdims=True))


def _spaced(ends: tuple[float, float], count: int) -> Array:
    """`count` values from one end to the other, evenly in logarithms."""
    return np.asarray(np.geomspace(*ends, count))


def _generator(seed: int, purpose: int, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, 77, purpose, part))))
