"""Newton's method at the end of a descent: down to the digits that floats have.

L-BFGS stops where its value stops falling, and the last bits of a processor decide where that is: on a posterior that
is level in some direction the parameters are then off by percents, and predictions with them. A lock is verified on
other processors, so fits that stand behind mixes end here. The Hessian comes from forward differences of the gradient
and is kept while its steps gain digits (a chord method), since it costs a gradient a parameter.

Where that ends short of a decrement of 1e-6 the gradient lacks the digits: matrices near singular (runs without noise)
round it to six or seven. How many there are is measured then (`_grain`), by what differences of gradients leave over
that no smooth function would, the idea of Moré and Wild, "Estimating computational noise" (2011), section 3. What was
measured says how far apart gradients must be taken for a Hessian of use, which rise of the value means nothing, and
how small a decrement can be.

Array dimensions: B problems, P parameters; b and l are those of them that go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index, Objective
from olmixctl.surrogate.model import Array

__all__ = ["Polished", "polish"]

_DIFFERENCE = 1e-5
# Newton's decrement, sqrt(g H⁻¹ g), at which there are no more digits to gain; in standard deviations of the posterior.
_END = 1e-10
_SETTLED = 1e-6
"""The one that counts as settled, whatever digits the gradient has."""
_DONE, _REACHED = 2.0, 10.0
"""In units of what rounding makes of it: the decrement that ends a search among rounded gradients, and the one that is
settled, which is larger since what rounding makes is measured by few samples."""
_CEILING = 1e-4
"""Larger decrements are never settled: a ten-thousandth of a standard deviation of the posterior."""
_SAMPLES, _APART = 6, 1e-5
"""Of the rounding: how many, and how far from the point in standard deviations of the posterior. Curvature of the
gradient then stays below 1e-10 of the decrement."""
_OUT_OF_REACH = 0.1
"""Decrements above this are not rounding's: a border, or a slope without end."""
_RISE_OF_ROUNDING = 10.0
"""Times the rounding of a value: rises below this say nothing."""
_WIDEST, _FEW_HESSIANS = 1e-2, 6
"""Differences and Hessians among rounded gradients. The first Hessian is the last unless the search began far out."""
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
"""Decrements above this are seen in the value; below it a new Hessian that gains nothing is the last."""


@dataclass(frozen=True, slots=True)
class Polished:
    """Where each problem ended, its Hessian near there (as last taken), and whether its decrement vanished."""

    parameters_BP: Array
    curvature_BPP: Array
    settled_B: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Rules:
    """How a walk goes, for each problem.

    Attributes:
        width_B: between a point and the two on either side of it that a column of the Hessian comes from; none at all
            for one point ahead by `_DIFFERENCE`.
        rise_B: of the value that means nothing.
        end_B: the decrement that no new Hessian follows.
        hessians: at most.
    """

    width_B: Array | None
    rise_B: Array
    end_B: Array
    hessians: int


@dataclass(frozen=True, slots=True)
class _Grain:
    """What rounding makes of each problem's gradient and value at a point, as root mean squares."""

    decrement_B: Array
    slope_B: Array
    value_B: Array


def polish(objective: Objective, at_BP: Array) -> Polished:
    """Minimise from points near minima. Each problem goes its own way, whatever its neighbours do."""
    every = np.arange(len(at_BP))
    at_BP, curvature_BPP, decrement_B = _walk(objective, at_BP, every, _exact(len(every)))
    settled_B = decrement_B <= _SETTLED
    rough = np.flatnonzero(~settled_B & (decrement_B <= _OUT_OF_REACH))
    if len(rough):
        rules = _rounded(curvature_BPP[rough], _grain(objective, at_BP[rough], rough, curvature_BPP[rough]))
        at_BP[rough], curvature_BPP[rough], decrement_b = _walk(objective, at_BP[rough], rough, rules)
        reached_b = _REACHED * _grain(objective, at_BP[rough], rough, curvature_BPP[rough]).decrement_B
        settled_B[rough] = decrement_b <= np.clip(reached_b, _SETTLED, _CEILING)
    return Polished(at_BP, curvature_BPP, settled_B)


def _exact(count: int) -> _Rules:
    """Where gradients have their digits."""
    return _Rules(None, np.zeros(count), np.full(count, _END), _HESSIANS)


def _rounded(curvature_BPP: Array, grain: _Grain) -> _Rules:
    """Where they have not. Widths balance what rounding and the gradient's curvature do to a Hessian."""
    steepest_B = np.maximum(np.abs(np.linalg.eigvalsh(curvature_BPP)).max(axis=1), 1.0)
    return _Rules(
        width_B=np.clip(np.cbrt(grain.slope_B / steepest_B), _DIFFERENCE, _WIDEST),
        rise_B=_RISE_OF_ROUNDING * grain.value_B,
        end_B=np.clip(_DONE * grain.decrement_B, _END, _CEILING),
        hessians=_FEW_HESSIANS,
    )


def _walk(objective: Objective, at_BP: Array, index: Index, rules: _Rules) -> tuple[Array, Array, Array]:
    """Newton's steps: where they end, the last Hessians, and decrements. `index` names the problems."""
    at_BP, (count, parameters) = at_BP.copy(), at_BP.shape
    curvature_BPP, decrement_B = np.zeros((count, parameters, parameters)), np.full(count, np.inf)
    open_B = np.ones(count, dtype=bool)
    for _ in range(rules.hessians):
        left = np.flatnonzero(open_B)
        if not len(left):
            break
        width_b = None if rules.width_B is None else rules.width_B[left]
        curvature_BPP[left] = _curvature(objective, at_BP[left], index[left], width_b)
        inverse_bPP, last_b = _inverse(curvature_BPP[left]), decrement_B[left]
        at_BP[left], after_b, moved_b = _chords(objective, at_BP[left], index[left], inverse_bPP, rules.rise_B[left])
        spent_b = (after_b <= _FAR) & (after_b > _GAIN * last_b)
        open_B[left], decrement_B[left] = (after_b > rules.end_B[left]) & moved_b & ~spent_b, after_b
    return at_BP, curvature_BPP, decrement_B


def _curvature(objective: Objective, at_bP: Array, index: Index, width_b: Array | None) -> Array:
    """The Hessian of every problem by differences of gradients, on both sides where a width is given: b × P × P."""
    width_b1 = np.full((1, 1), _DIFFERENCE) if width_b is None else width_b[:, None]
    behind_bP, sides = objective(at_bP, index)[1], 1 if width_b is None else 2
    hessian_bPP = np.empty((*at_bP.shape, at_bP.shape[1]))
    for p, unit_P in enumerate(np.eye(at_bP.shape[1])):
        if sides == 2:
            behind_bP = objective(at_bP - width_b1 * unit_P, index)[1]
        ahead_bP = objective(at_bP + width_b1 * unit_P, index)[1]
        hessian_bPP[:, p] = (ahead_bP - behind_bP) / (sides * width_b1)
    return np.asarray(0.5 * (hessian_bPP + hessian_bPP.transpose(0, 2, 1)))


def _grain(objective: Objective, at_BP: Array, index: Index, curvature_BPP: Array) -> _Grain:
    """The rounding of gradients and values around a point, from a few random signs turned into small steps.

    A smooth gradient's second difference vanishes, and so does a smooth value's difference less the mean gradient
    along the step; the variances of what is left are six and two times those of one rounding.
    """
    inverse_BPP, (value_B, slope_BP) = _inverse(curvature_BPP), objective(at_BP, index)
    decrement_B, square_B, rough_B = np.zeros((3, len(at_BP)))
    signs_SP = np.random.Generator(np.random.Philox(2)).choice([-1.0, 1.0], (_SAMPLES, at_BP.shape[1]))
    for signs_P in signs_SP:
        step_BP = np.matmul(inverse_BPP, signs_P)
        step_BP *= _APART / np.sqrt(step_BP @ signs_P)[:, None]
        ahead_B, up_BP = objective(at_BP + step_BP, index)
        down_BP = objective(at_BP - step_BP, index)[1]
        left_BP = (up_BP - 2.0 * slope_BP + down_BP) / np.sqrt(6.0 * _SAMPLES)
        decrement_B += _step(inverse_BPP, left_BP)[1] ** 2
        square_B += (left_BP**2).mean(axis=1)
        rough_B += (ahead_B - value_B - 0.5 * ((up_BP + slope_BP) * step_BP).sum(axis=1)) ** 2 / (2.0 * _SAMPLES)
    return _Grain(np.sqrt(decrement_B), np.sqrt(square_B), np.sqrt(rough_B))


def _inverse(hessian_bPP: Array) -> Array:
    """H⁻¹, with every direction curved upwards."""
    values_bP, vectors_bPP = np.linalg.eigh(hessian_bPP)
    steep_bP = np.maximum(np.abs(values_bP), _LEAST_CURVATURE)
    return np.asarray(np.matmul(vectors_bPP / steep_bP[:, None, :], vectors_bPP.transpose(0, 2, 1)))


def _chords(
    objective: Objective, at_bP: Array, index: Index, inverse_bPP: Array, rise_b: Array
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
        level_l = value_l <= value_b[left] + np.maximum(_RISE * (1.0 + np.abs(value_b[left])), rise_b[left])
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
