"""What the proxy's own data allows of each coordinate, and how points get inside it and onto the grid.

Array dimensions: C coordinates with a positive prior and room under their limit.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, GridMixture, round_to_grid
from olmixctl.swarm.model import SwarmProblem

__all__ = ["ceilings_of", "filled", "on_grid"]

Array = NDArray[np.float64]


def filled(weights_C: Array, caps_C: Array, prior_C: Array) -> Array:
    """The weights cut at their caps, what is cut off poured onto the others in proportion (water-filling).

    The sampled coordinates take it first; when they are all full, the others by their prior.
    """
    point = np.minimum(weights_C, caps_C)
    for pour in (weights_C, prior_C):
        for _ in range(len(caps_C)):
            missing = 1.0 - math.fsum(point)
            open_C = np.where(point < caps_C, pour, 0.0)
            if missing <= 1e-12 or not open_C.any():
                break
            point = np.minimum(point + missing * open_C / math.fsum(open_C), caps_C)
    return point


def ceilings_of(problem: SwarmProblem) -> dict[str, int]:
    """Coordinate → most millionths, for those that can be sampled.

    Raises:
        InfeasibleError: they do not reach one.
    """
    limits = {name: min(problem.limits.get(name, 1.0), 1.0) for name, prior in problem.prior.items() if prior > 0}
    ceilings = {name: math.floor(Fraction(repr(limit)) * GRID) for name, limit in limits.items()}
    ceilings = {name: points for name, points in ceilings.items() if points > 0}
    if sum(ceilings.values()) < GRID:
        terms = " + ".join(f"{name} {limits[name]:.6g}" for name in limits)
        raise InfeasibleError(
            f"the proxy's data limits leave no mixture: {terms} < 1",
            remedy="shorten the proxy runs (proxy.tokens), or give these domains more data",
            conflict=tuple(f"proxy_data:{name}" for name in limits),
        )
    return ceilings


def on_grid(point: Array, ceilings: dict[str, int], names: tuple[str, ...]) -> GridMixture:
    """The point in millionths under the ceilings; exact zeros stay zeros where the ceilings allow it."""
    amounts = {name: float(weight) * GRID for name, weight in zip(ceilings, point, strict=True)}
    support = {name: amount for name, amount in amounts.items() if amount > 0}
    if sum(ceilings[name] for name in support) < GRID:
        support = amounts
    points = round_to_grid(support, upper={name: ceilings[name] for name in support})
    return GridMixture(dict.fromkeys(names, 0) | points)
