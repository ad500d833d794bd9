"""Newton's method at the end of a descent: down to the digits that floats have.

L-BFGS stops where its value stops falling, and the last bits of a processor decide where that is: on a posterior that
is level in some direction the parameters are then off by percents, and predictions with them. A lock is verified on
other processors, so fits that stand behind mixes end here. The Hessian comes from forward differences of the gradient
and is kept while its steps gain digits (a chord method), since it costs a gradient a parameter.

Array dimensions: B problems, P parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index, Objective
from olmixctl.surrogate.model import Array

__all__ = ["Polished", "polish"]

_DIFFERENCE = 1e-5
# Newton's decrement, sqrt(g H⁻¹ g), at which there are no more digits to gain.
_END = 1e-10
_SETTLED = 1e-3
"""The one that counts as settled, a thousandth of a standard deviation of the posterior. Near-singular matrices
(runs without noise) leave gradients few digits: below this, what a fresh Hessian does not gain is not there."""
_HESSIANS, _TRIES = 40, 12
_SHORTER = 0.25
"""Of a step that the value refused, which is tried next: valleys are bent, and a whole step leaves them."""
_GAIN = 0.3
"""A chord that leaves more than this of the decrement is followed by a new Hessian."""
_LONGEST = 1.0
_LEAST_CURVATURE = 1e-3
"""Directions with less are walked as if they had this much: away from saddles, and no further than the model holds."""
_RISE, _ARMIJO = 1e-9, 1e-2
_FAR = 1e-3
"""Decrements above this are seen in the value."""


@dataclass(frozen=True, slots=True)
class Polished:
    """Where each problem ended, its Hessian near there (as last taken), and whether its decrement vanished."""

    parameters_BP: Array
    curvature_BPP: Array
    settled_B: NDArray[np.bool_]


def polish(objective: Objective, at_BP: Array) -> Polished:
    """Minimise from points near minima. Each problem goes its own way, whatever its neighbours do."""
    count, parameters = at_BP.shape
    at_BP, settled_B = at_BP.copy(), np.zeros(count, dtype=bool)
    curvature_BPP = np.zeros((count, parameters, parameters))
    open_B, last_B = np.ones(count, dtype=bool), np.full(count, np.inf)
    for _ in range(_HESSIANS):
        index = np.flatnonzero(open_B)
        if not len(index):
            break
        curvature_BPP[index] = _curvature(objective, at_BP[index], index)
        at_BP[index], decrement_b, moved_b = _chords(objective, at_BP[index], index, _inverse(curvature_BPP[index]))
        settled_B[index] = decrement_b <= _SETTLED
        spent_b = settled_B[index] & (decrement_b > _GAIN * last_B[index])
        open_B[index], last_B[index] = (decrement_b > _END) & moved_b & ~spent_b, decrement_b
    return Polished(at_BP, curvature_BPP, settled_B)


def _curvature(objective: Objective, at_bP: Array, index: Index) -> Array:
    """The Hessian of every problem: b × P × P."""
    here_bP, parameters = objective(at_bP, index)[1], at_bP.shape[1]
    hessian_bPP = np.empty((*at_bP.shape, parameters))
    for p in range(parameters):
        there_bP = at_bP.copy()
        there_bP[:, p] += _DIFFERENCE
        hessian_bPP[:, p] = (objective(there_bP, index)[1] - here_bP) / _DIFFERENCE
    return np.asarray(0.5 * (hessian_bPP + hessian_bPP.transpose(0, 2, 1)))


def _inverse(hessian_bPP: Array) -> Array:
    """H⁻¹, with every direction curved upwards."""
    values_bP, vectors_bPP = np.linalg.eigh(hessian_bPP)
    steep_bP = np.maximum(np.abs(values_bP), _LEAST_CURVATURE)
    return np.asarray(np.matmul(vectors_bPP / steep_bP[:, None, :], vectors_bPP.transpose(0, 2, 1)))


def _chords(
    objective: Objective, at_bP: Array, index: Index, inverse_bPP: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Steps with one Hessian while they gain digits: the points, their decrements, and which of them moved."""
    at_bP, length_b = at_bP.copy(), np.ones(len(at_bP))
    value_b, slope_bP = objective(at_bP, index)
    step_bP, decrement_b = _step(inverse_bPP, slope_bP)
    moved_b, moving_b = np.zeros(len(at_bP), dtype=bool), decrement_b > _END
    for _ in range(_TRIES):
        left = np.flatnonzero(moving_b)
        if not len(left):
            break
        ahead_lP = at_bP[left] - length_b[left, None] * step_bP[left]
        value_l, slope_lP = objective(ahead_lP, index[left])
        step_lP, after_l = _step(inverse_bPP[left], slope_lP)
        # Far out the value must fall as the slope promises; near the end it has no digits, and the decrement tells.
        far_l = decrement_b[left] > _FAR
        level_l = value_l <= value_b[left] + _RISE * (1.0 + np.abs(value_b[left]))
        falls_l = value_l <= value_b[left] - _ARMIJO * length_b[left] * decrement_b[left] ** 2
        good_l = falls_l & far_l | level_l & (after_l < decrement_b[left])
        taken, gain_l = left[good_l], after_l / decrement_b[left]
        at_bP[taken], step_bP[taken] = ahead_lP[good_l], step_lP[good_l]
        value_b[taken], decrement_b[taken] = value_l[good_l], after_l[good_l]
        moved_b[taken] = True
        length_b[left[~good_l]] *= _SHORTER
        moving_b[left] = np.where(good_l, (gain_l <= _GAIN) & (after_l > _END), far_l & ~moved_b[left])
    return at_bP, decrement_b, moved_b


def _step(inverse_bPP: Array, slope_bP: Array) -> tuple[Array, Array]:
    """Newton's step, no longer than `_LONGEST` in a parameter, and its decrement."""
    step_bP = np.matmul(inverse_bPP, slope_bP[:, :, None])[:, :, 0]
    decrement_b = np.sqrt(np.maximum((step_bP * slope_bP).sum(axis=1), 0.0))
    longest_b = np.maximum(np.abs(step_bP).max(axis=1, initial=0.0), 1e-300)
    return np.asarray(step_bP * np.minimum(1.0, _LONGEST / longest_b)[:, None]), np.asarray(decrement_b)
