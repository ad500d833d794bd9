"""A swarm chosen to be informative: every mixture lowers what the law does not know where mixes are sought.

The Dirichlet swarm spreads at random. Here candidates are drawn (`candidates`), and one after the other the candidate
is taken that lowers the mean variance over the region of the solve most, given the mixtures before it (`information`).
What holds of the Dirichlet swarm holds here too: the first K of a larger swarm are the swarm of K, the proxy's data
limits are kept, mixtures differ, and a swarm of at least d mixtures samples each of d coordinates.

Array dimensions: N candidates, C coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from olmixctl.mixture import GRID, GridMixture
from olmixctl.swarm.candidates import inside, pool_of, region_of
from olmixctl.swarm.information import Unknown, best
from olmixctl.swarm.limits import ceilings_of, filled, on_grid
from olmixctl.swarm.model import SwarmProblem

__all__ = ["choose", "draw_informative"]

LIFTED = 0.02
"""Every coordinate has at least this weight in one mixture of the first d, or its limit where that is less."""
NEAR = 0.01
"""Mixtures closer than this in total variation are near-duplicates."""
_REGION = 384
_POOL, _LARGE_POOL = 768, 1536
# Candidates are drawn anew for each part of the swarm, so that it may grow without end; larger parts cost less.
_PARTS = (0, 64, 128, 256, 512)
_LARGEST_PART = 512

Array = NDArray[np.float64]


def draw_informative(problem: SwarmProblem) -> tuple[GridMixture, ...]:
    """The swarm, in coordinate space on the grid of millionths, in the order in which it grows.

    It has `problem.count` mixtures, all different; fewer only when the limits leave no more distinct ones (one
    coordinate alone has exactly one mixture).

    Raises:
        InfeasibleError: the proxy's data limits sum to less than one.
    """
    ceilings = ceilings_of(problem)
    drawing = _Drawing(problem, ceilings)
    for part, (start, end) in enumerate(_parts(problem.count)):
        drawing.grow(part, start, end)
    return tuple(drawing.found)


def choose(weights_NC: Array, count: int, *, known_KC: Array | None = None) -> tuple[int, ...]:
    """Which `count` rows of a table of mixtures to run, in the order in which they say most; losses are not seen.

    The region is the table itself. The choice of fewer rows is the beginning of that of more, and does not depend on
    the order of columns, nor on that of rows but where two say exactly as much.

    Args:
        weights_NC: mixtures to choose from, rows on the simplex.
        count: how many; all of them when there are no more.
        known_KC: mixtures that have been run already.
    """
    known_KC = np.zeros((0, weights_NC.shape[1])) if known_KC is None else known_KC
    unknown = Unknown(weights_NC, weights_NC, known_KC)
    nearest_N = _nearest(weights_NC, known_KC)
    open_N = np.ones(len(weights_NC), dtype=bool)
    taken: list[int] = []
    while open_N.any() and len(taken) < count:
        row = best(np.where(open_N, unknown.gains(), 0.0), np.where(open_N, nearest_N, -1.0))
        unknown.add(row)
        nearest_N = np.minimum(nearest_N, _distance(weights_NC, weights_NC[row]))
        open_N[row] = False
        taken.append(row)
    return tuple(taken)


class _Drawing:
    """A swarm while it grows."""

    def __init__(self, problem: SwarmProblem, ceilings: dict[str, int]) -> None:
        self.problem, self.ceilings = problem, ceilings
        self.names = tuple(ceilings)
        self.caps_C = np.array([points / GRID for points in ceilings.values()])
        prior_C = np.array([problem.prior[name] for name in self.names])
        self.prior_C = prior_C / prior_C.sum()
        self.found: list[GridMixture] = []
        self.seen: set[tuple[int, ...]] = set()
        self.points: list[Array] = []
        self.most_C = np.zeros(len(self.names))
        self.lacking = np.minimum(self.caps_C, LIFTED)
        self.region_TC = region_of(self.prior_C, problem.seed, _REGION)

    def grow(self, part: int, start: int, end: int) -> None:
        """Add the mixtures from `start` to `end`, chosen among the candidates of this part.

        Narrow limits push all candidates to a few points; then what lies between these is left.
        """
        size = _POOL if start < _PARTS[-1] else _LARGE_POOL
        self._choose(inside(pool_of(self.prior_C, self.problem.seed, part, size), self.caps_C, self.prior_C), end)
        while len(self.found) < end and self._choose(self._between(), end):
            pass

    def _choose(self, pool_NC: Array, end: int) -> bool:
        """Take candidates until there are `end` mixtures or no other ones; whether there was any."""
        known_KC = np.array(self.points).reshape(-1, len(self.names))
        unknown, nearest_N = Unknown(pool_NC, self.region_TC, known_KC), _nearest(pool_NC, known_KC)
        open_N, before = np.ones(len(pool_NC), dtype=bool), len(self.found)
        while len(self.found) < end and open_N.any():
            far_N = open_N & (nearest_N >= min(NEAR, float(nearest_N[open_N].max())))
            row = best(np.where(far_N, unknown.gains(), 0.0), np.where(far_N, nearest_N, -1.0))
            point = self._sampling(pool_NC[row], len(self.found))
            if self._take(point):
                unknown.add(row)
                nearest_N = np.minimum(nearest_N, _distance(pool_NC, point))
            else:
                open_N[row] = False
        return len(self.found) > before

    def _between(self) -> Array:
        """The middles of pairs of mixtures: of all, or of as many as candidates are drawn, evenly among them."""
        first, second = np.triu_indices(len(self.points), 1)
        every = np.linspace(0, len(first) - 1, min(len(first), _POOL)).astype(np.intp)
        points_KC = np.array(self.points)
        return np.asarray(0.5 * (points_KC[first[every]] + points_KC[second[every]]))

    def _sampling(self, point_C: Array, index: int) -> Array:
        """The point, with the coordinate whose turn it is lifted where no mixture before has sampled it enough."""
        lifted = index % len(self.names)
        if index >= len(self.names) or max(self.most_C[lifted], point_C[lifted]) >= self.lacking[lifted]:
            return point_C
        rest = 1.0 - point_C[lifted]
        lifted_C = point_C * ((1.0 - self.lacking[lifted]) / rest)
        lifted_C[lifted] = self.lacking[lifted]
        return filled(lifted_C, self.caps_C, self.prior_C)

    def _take(self, point_C: Array) -> bool:
        """Whether the point is another mixture than those there are."""
        mixture = on_grid(point_C, self.ceilings, self.problem.coordinates.names)
        if tuple(mixture.values()) in self.seen:
            return False
        self.seen.add(tuple(mixture.values()))
        self.found.append(mixture)
        self.points.append(point_C)
        self.most_C = np.maximum(self.most_C, point_C)
        return True


def _parts(count: int) -> Iterator[tuple[int, int]]:
    """First and last index of each part of a swarm of this size; its beginning does not depend on the size."""
    ends = [*_PARTS, *range(_PARTS[-1] + _LARGEST_PART, count + _LARGEST_PART, _LARGEST_PART)]
    return ((start, min(end, count)) for start, end in pairwise(ends) if start < count)


def _nearest(points_NC: Array, others_KC: Array) -> Array:
    """Distance in total variation to the nearest of the others, one where there is none: N."""
    nearest_N = np.ones(len(points_NC))
    for other_C in others_KC:
        nearest_N = np.minimum(nearest_N, _distance(points_NC, other_C))
    return nearest_N


def _distance(points_NC: Array, other_C: Array) -> Array:
    return np.asarray(np.abs(points_NC - other_C).sum(axis=1) / 2)
