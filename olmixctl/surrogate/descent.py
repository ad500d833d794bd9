"""Limited-memory BFGS for many small problems at once: every metric and every start in one batch.

Each problem has its own history, step and end, so what it finds does not depend on its neighbours.
Array dimensions: B problems, P parameters, H remembered steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array

__all__ = ["Descended", "Objective", "descend"]

Index = NDArray[np.intp]
Objective = Callable[[Array, Index], tuple[Array, Array]]
"""Points (b × P) of the problems with these indices → their values (b) and gradients (b × P)."""

_HISTORY = 12
_HALVINGS = 20
_SHRINK = 0.4
_ARMIJO = 1e-4
# Parameters are logarithms: a step of two is a factor of seven, and beyond it the quadratic model means nothing.
_LONGEST = 2.0
_LEAST_CURVATURE = 1e-10


@dataclass(frozen=True, slots=True)
class Descended:
    """Where each problem ended: parameters, value, whether the value settled, and iterations of the slowest."""

    parameters_BP: Array
    value_B: Array
    settled_B: NDArray[np.bool_]
    iterations: int


def descend(objective: Objective, start_BP: Array, *, iterations: int, tolerance: float = 1e-6) -> Descended:
    """Minimise from each start until the value falls by less than `tolerance` of (1 + itself), or no step lowers it.

    Args:
        objective: values and gradients.
        start_BP: one start a problem.
        iterations: the most of them.
        tolerance: of the end.
    """
    at_BP = start_BP.copy()
    value_B, slope_BP = objective(at_BP, np.arange(len(at_BP)))
    memory = _Memory.empty(slope_BP)
    open_B = np.ones(len(at_BP), dtype=bool)
    done = 0
    while open_B.any() and done < iterations:
        index = np.flatnonzero(open_B)
        before_b = value_B[index]
        way_bP = memory.direction(slope_BP[index], index)
        moved = _search(objective, _Place(at_BP[index], before_b, slope_BP[index]), way_bP, index)
        memory.remember(moved.at_bP - at_BP[index], moved.slope_bP - slope_BP[index], index)
        at_BP[index], value_B[index], slope_BP[index] = moved.at_bP, moved.value_b, moved.slope_bP
        open_B[index[before_b - moved.value_b < tolerance * (1.0 + np.abs(moved.value_b))]] = False
        done += 1
    return Descended(at_BP, value_B, ~open_B, done)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the open problems are: points, values, gradients."""

    at_bP: Array
    value_b: Array
    slope_bP: Array


def _search(objective: Objective, here: _Place, way_bP: Array, index: Index) -> _Place:
    """Walk back along `way_bP` until the value falls by Armijo's rule; a problem for which none does stays."""
    fall_b = (way_bP * here.slope_bP).sum(axis=1)
    found = _Place(here.at_bP.copy(), here.value_b.copy(), here.slope_bP.copy())
    length_b, left = np.ones(len(index)), np.arange(len(index))
    for _ in range(_HALVINGS):
        at_lP = here.at_bP[left] + length_b[left, None] * way_bP[left]
        value_l, slope_lP = objective(at_lP, index[left])
        good_l = value_l <= here.value_b[left] + _ARMIJO * length_b[left] * fall_b[left]
        taken = left[good_l]
        found.at_bP[taken], found.value_b[taken], found.slope_bP[taken] = (
            at_lP[good_l],
            value_l[good_l],
            slope_lP[good_l],
        )
        left = left[~good_l]
        if not len(left):
            break
        length_b[left] *= _SHRINK
    return found


@dataclass(slots=True)
class _Memory:
    """The last steps and changes of gradient of every problem; a step without curvature counts as none."""

    step_HBP: Array
    change_HBP: Array
    rate_HB: Array
    scale_B: Array
    kept: int

    @classmethod
    def empty(cls, slope_BP: Array) -> _Memory:
        size_B = np.maximum(np.linalg.norm(slope_BP, axis=1), 1e-12)
        zeros_HBP = np.zeros((_HISTORY, *slope_BP.shape))
        return cls(zeros_HBP, zeros_HBP.copy(), np.zeros((_HISTORY, len(slope_BP))), 1.0 / size_B, 0)

    def direction(self, slope_bP: Array, index: Index) -> Array:
        """The two-loop recursion, never uphill and never longer than `_LONGEST` in a parameter."""
        rows = [(self.kept - 1 - back) % _HISTORY for back in range(min(self.kept, _HISTORY))]
        way_bP, shares = slope_bP.copy(), []
        for row in rows:
            share_b = self.rate_HB[row, index] * (self.step_HBP[row, index] * way_bP).sum(axis=1)
            way_bP -= share_b[:, None] * self.change_HBP[row, index]
            shares.append(share_b)
        way_bP *= self.scale_B[index, None]
        for row, share_b in zip(reversed(rows), reversed(shares), strict=True):
            other_b = self.rate_HB[row, index] * (self.change_HBP[row, index] * way_bP).sum(axis=1)
            way_bP += (share_b - other_b)[:, None] * self.step_HBP[row, index]
        uphill_b = (way_bP * slope_bP).sum(axis=1) <= 0
        way_bP[uphill_b] = slope_bP[uphill_b]
        longest_b = np.maximum(np.abs(way_bP).max(axis=1, initial=0.0), 1e-300)
        return np.asarray(-way_bP * np.minimum(1.0, _LONGEST / longest_b)[:, None])

    def remember(self, step_bP: Array, change_bP: Array, index: Index) -> None:
        """Put the newest pair in the place of the oldest."""
        row = self.kept % _HISTORY
        self.step_HBP[row], self.change_HBP[row], self.rate_HB[row] = 0.0, 0.0, 0.0
        along_b, size_b = (step_bP * change_bP).sum(axis=1), (change_bP**2).sum(axis=1)
        bent_b = along_b > _LEAST_CURVATURE * np.sqrt(size_b * (step_bP**2).sum(axis=1))
        self.step_HBP[row, index], self.change_HBP[row, index] = step_bP, change_bP
        self.rate_HB[row, index] = np.where(bent_b, 1.0 / np.where(bent_b, along_b, 1.0), 0.0)
        self.scale_B[index] = np.where(bent_b, along_b / np.where(bent_b, size_b, 1.0), self.scale_B[index])
        self.kept += 1
