"""Damped Newton for many small problems at once: every metric and every start in one batch.

Array dimensions: B problems, P parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.effects import Problems
from olmixctl.surrogate.model import Array

__all__ = ["LOOSE", "TIGHT", "Refined", "refine"]

LOOSE = 1e-7
TIGHT = 1e-20
"""Tolerances: the Newton decrement (about twice what the objective can still fall) relative to the objective."""

_ITERATIONS = 300
# Relative decrement from which the curvature is the exact one; and from which the objective's own rounding error
# hides progress, so that steps are taken on the decrement's word.
_NEAR, _END = 1e-2, 1e-11
# An objective in units of a metric's variance below which its own size says nothing: exact data reach zero.
_FLOOR = 1e-4
_LEAST_DAMPING, _MOST_DAMPING = 1e-13, 1e14


@dataclass(frozen=True, slots=True)
class Refined:
    """Optima found: parameters, objective values, whether each met the tolerance, iterations of the slowest."""

    parameters_BP: Array
    objective_B: Array
    converged_B: NDArray[np.bool_]
    iterations: int


def refine(problems: Problems, start_BP: Array, *, tolerance: float = TIGHT) -> Refined:
    """Minimise every problem from its start.

    Levenberg–Marquardt: Gauss–Newton with Huber weights far from the optimum, the exact curvature near it, damping
    with accept or reject per problem. The end is quadratic, so it is reproducible to rounding error.
    """
    at_BP = problems.boxed(start_BP)
    value_B = problems.objective(at_BP)
    count = len(at_BP)
    damping_B, relative_B = np.full(count, 1e-3), np.ones(count)
    open_B = np.ones(count, dtype=bool)
    done = 0
    while open_B.any() and done < _ITERATIONS:
        done += 1
        index = np.flatnonzero(open_B)
        part, now_B = problems.take(index), value_B[index] + _FLOOR
        step_BP, decrement_B = _step(part, at_BP[index], damping_B[index], relative_B[index] <= _NEAR)
        trial_BP = part.boxed(at_BP[index] + step_BP)
        trial_B = part.objective(trial_BP)
        last_B = np.abs(decrement_B) <= _END * now_B
        better_B = (decrement_B >= 0.0) & (trial_B <= value_B[index] + np.where(last_B, 1e-12 * now_B, 0.0))
        better_B |= last_B & (np.abs(decrement_B) <= tolerance * now_B)
        taken = index[better_B]
        at_BP[taken], value_B[taken] = trial_BP[better_B], trial_B[better_B]
        settled_B = better_B & (np.abs(decrement_B) <= tolerance * now_B) & (damping_B[index] <= 1e-2)
        relative_B[taken] = np.abs(decrement_B / now_B)[better_B]
        damping_B[index] *= np.where(better_B, np.where(last_B, 1e-3, 0.2), 10.0)
        damping_B = np.clip(damping_B, _LEAST_DAMPING, _MOST_DAMPING)
        open_B[index[settled_B]] = False
    return Refined(at_BP, value_B, ~open_B, done)


def _step(problems: Problems, at_BP: Array, damping_B: Array, exact_B: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The damped step of each problem and its decrement −g·step."""
    found = problems.derivatives(at_BP, exact_B)
    gradient_BP, hessian_BPP = found.gradient_BP, found.hessian_BPP
    _hold(problems, at_BP, gradient_BP, hessian_BPP)
    every = np.arange(at_BP.shape[1])
    diagonal_BP = np.abs(hessian_BPP[:, every, every])
    largest_B1 = diagonal_BP[:, 1:].max(axis=1, keepdims=True) + 1e-300
    hessian_BPP[:, every, every] += damping_B[:, None] * np.maximum(diagonal_BP, 1e-6 * largest_B1)
    step_BP = -np.linalg.solve(hessian_BPP, gradient_BP[:, :, None])[:, :, 0]
    return np.asarray(step_BP), -np.asarray((gradient_BP * step_BP).sum(axis=1))


def _hold(problems: Problems, at_BP: Array, gradient_BP: Array, hessian_BPP: Array) -> None:
    """Where θ is at a bound and pushed outwards, it does not move."""
    at_B, pull_B = at_BP[:, 0], gradient_BP[:, 0]
    held_B = ((at_B <= problems.lower_B) & (pull_B > 0)) | ((at_B >= problems.upper_B) & (pull_B < 0))
    gradient_BP[held_B, 0] = 0.0
    hessian_BPP[held_B, 0, 1:] = 0.0
    hessian_BPP[held_B, 1:, 0] = 0.0
    hessian_BPP[held_B, 0, 0] = 1.0
