"""Damped Newton for many small problems c + exp(A·p) at once: every metric and every start in one batch.

Array dimensions: B problems, R runs, C coordinates, P = 1 + C parameters (c first), Q = C (C + 1) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array

__all__ = ["LOOSE", "TIGHT", "Problems", "Refined", "leave_one_out", "refine"]

LOOSE = 1e-7
TIGHT = 1e-20
"""Tolerances: the Newton decrement (about twice what the objective can still fall) relative to the objective."""

_ITERATIONS = 150
# Relative decrement from which the curvature is the exact one; and from which the objective's own rounding error
# hides progress, so that steps are taken on the decrement's word.
_NEAR, _END = 1e-4, 1e-11
_END_STEPS = 6
# exp(40) is beyond any loss; steps that go there are refused by the objective, which stays finite.
_MAX_EXPONENT = 40.0


@dataclass(frozen=True, slots=True)
class Problems:
    """B problems over the same mixtures: mean Huber(y − c − exp(A·p)) + penalty · Σ_j (A_j − Ā)², c ≥ 0.

    Attributes:
        weights_RC: mixtures.
        outer_RQ: p pᵀ of each run, upper triangle: all curvatures are then one matrix product (`outer`).
        losses_BR: what is fitted.
        penalty_B: ridge times the squared scale of the losses.
        delta_B: Huber thresholds; infinite is least squares.
    """

    weights_RC: Array
    outer_RQ: Array
    losses_BR: Array
    penalty_B: Array
    delta_B: Array

    def take(self, keep_B: NDArray[np.intp]) -> Problems:
        """The problems at these indices."""
        losses_BR, penalty_B, delta_B = self.losses_BR[keep_B], self.penalty_B[keep_B], self.delta_B[keep_B]
        return Problems(self.weights_RC, self.outer_RQ, losses_BR, penalty_B, delta_B)

    @staticmethod
    def outer(weights_RC: Array) -> Array:
        """The upper triangles of p pᵀ: R × Q."""
        rows, columns = np.triu_indices(weights_RC.shape[1])
        return np.ascontiguousarray(weights_RC[:, rows] * weights_RC[:, columns])

    def exponentials(self, at_BP: Array) -> Array:
        """The values of exp(A·p): B × R."""
        return np.asarray(np.exp(np.minimum(at_BP[:, 1:] @ self.weights_RC.T, _MAX_EXPONENT)))

    def objective(self, at_BP: Array) -> Array:
        """What is minimised: B."""
        residual_BR = self.losses_BR - at_BP[:, :1] - self.exponentials(at_BP)
        ridge_B = self.penalty_B * (_centred(at_BP) ** 2).sum(axis=1)
        return np.asarray(_huber(residual_BR, self.delta_B[:, None]).mean(axis=1) + ridge_B)


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
    at_BP = start_BP.copy()
    at_BP[:, 0] = np.maximum(at_BP[:, 0], 0.0)
    value_B = problems.objective(at_BP)
    count = len(at_BP)
    damping_B, relative_B = np.full(count, 1e-3), np.ones(count)
    ends_B, open_B = np.zeros(count, dtype=np.intp), np.ones(count, dtype=bool)
    done = 0
    while open_B.any() and done < _ITERATIONS:
        done += 1
        index = np.flatnonzero(open_B)
        part = problems.take(index)
        step_BP, decrement_B = _step(part, at_BP[index], damping_B[index], relative_B[index] <= _NEAR)
        trial_BP = at_BP[index] + step_BP
        trial_BP[:, 0] = np.maximum(trial_BP[:, 0], 0.0)
        trial_B = part.objective(trial_BP)
        now_B = value_B[index] + 1e-300
        last_B = np.abs(decrement_B) <= _END * now_B
        better_B = trial_B <= value_B[index] + np.where(last_B, 1e-12 * now_B, 0.0)
        taken = index[better_B]
        at_BP[taken], value_B[taken] = trial_BP[better_B], trial_B[better_B]
        relative_B[taken] = np.abs(decrement_B / now_B)[better_B]
        damping_B[index] *= np.where(better_B, np.where(last_B, 1e-3, 0.2), 10.0)
        ends_B[index[last_B]] += 1
        settled_B = better_B & (np.abs(decrement_B) <= tolerance * now_B) & (damping_B[index] < 1.0)
        open_B[index[settled_B | (ends_B[index] >= _END_STEPS) | (damping_B[index] > 1e14)]] = False
    return Refined(at_BP, value_B, ~open_B, done)


def leave_one_out(problems: Problems, at_BP: Array) -> Array:
    """Mean loss (half squares, Huber where robust) of each run predicted without it, linearised at the optimum: B.

    The residual without run r is about e_r / (1 − h_r), with h the leverage in the penalised Gauss–Newton system;
    exact for a linear law (PRESS).
    """
    exp_BR = problems.exponentials(at_BP)
    residual_BR = problems.losses_BR - at_BP[:, :1] - exp_BR
    hessian_BPP = _curvature(problems, exp_BR, np.ones_like(exp_BR), exp_BR**2)
    runs, parameters = len(problems.weights_RC), at_BP.shape[1]
    errors_B = np.empty(len(at_BP))
    jacobian_RP = np.ones((runs, parameters))
    for b in range(len(at_BP)):
        jacobian_RP[:, 1:] = exp_BR[b][:, None] * problems.weights_RC
        shift = 1e-13 * np.trace(hessian_BPP[b]) * np.eye(parameters)
        solved_PR = np.linalg.solve(hessian_BPP[b] + shift, jacobian_RP.T)
        leverage_R = np.clip(np.einsum("rp,pr->r", jacobian_RP, solved_PR) / runs, 0.0, 1.0 - 1e-6)
        errors_B[b] = _huber(residual_BR[b] / (1.0 - leverage_R), problems.delta_B[b]).mean()
    return errors_B


def _huber(residual: Array, delta: Array | np.float64) -> Array:
    """Half the square up to δ, straight beyond; written so that an infinite δ never meets a zero."""
    size = np.abs(residual)
    inside = np.minimum(size, delta)
    return np.asarray(inside * (size - 0.5 * inside))


def _centred(at_BP: Array) -> Array:
    return np.asarray(at_BP[:, 1:] - at_BP[:, 1:].mean(axis=1, keepdims=True))


def _curvature(problems: Problems, exp_BR: Array, weight_BR: Array, inner_BR: Array) -> Array:
    """Second derivatives: `weight` in c, weight · exp across, `inner` in A: B × P × P."""
    runs, coordinates = problems.weights_RC.shape
    rows, columns = np.triu_indices(coordinates)
    packed_BQ = inner_BR @ problems.outer_RQ / runs
    hessian_BPP = np.empty((len(exp_BR), coordinates + 1, coordinates + 1))
    hessian_BPP[:, rows + 1, columns + 1] = packed_BQ
    hessian_BPP[:, columns + 1, rows + 1] = packed_BQ
    hessian_BPP[:, 0, 0] = weight_BR.mean(axis=1)
    hessian_BPP[:, 0, 1:] = (weight_BR * exp_BR) @ problems.weights_RC / runs
    hessian_BPP[:, 1:, 0] = hessian_BPP[:, 0, 1:]
    centring = np.eye(coordinates) - 1.0 / coordinates
    hessian_BPP[:, 1:, 1:] += 2.0 * problems.penalty_B[:, None, None] * centring
    return hessian_BPP


def _step(problems: Problems, at_BP: Array, damping_B: Array, near_B: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The damped step of each problem and its decrement −g·step."""
    delta_B1 = problems.delta_B[:, None]
    exp_BR = problems.exponentials(at_BP)
    residual_BR = problems.losses_BR - at_BP[:, :1] - exp_BR
    pull_BR = np.clip(residual_BR, -delta_B1, delta_B1)
    size_BR = np.abs(residual_BR)
    inside_BR = size_BR <= delta_B1
    # With few points inside δ the exact curvature is too flat to step by; the Huber weights stay there.
    exact_B1 = (near_B & (inside_BR.mean(axis=1) > 0.5))[:, None]
    huber_BR = np.minimum(1.0, delta_B1 / np.maximum(size_BR, 1e-300))
    weight_BR = np.where(exact_B1, inside_BR, huber_BR)
    inner_BR = weight_BR * exp_BR**2 - np.where(exact_B1, pull_BR * exp_BR, 0.0)
    hessian_BPP = _curvature(problems, exp_BR, weight_BR, inner_BR)
    gradient_BP = np.empty_like(at_BP)
    gradient_BP[:, 0] = -pull_BR.mean(axis=1)
    gradient_BP[:, 1:] = -(pull_BR * exp_BR) @ problems.weights_RC / len(problems.weights_RC)
    gradient_BP[:, 1:] += 2.0 * problems.penalty_B[:, None] * _centred(at_BP)
    _hold_offset(at_BP, gradient_BP, hessian_BPP)
    every = np.arange(at_BP.shape[1])
    diagonal_BP = hessian_BPP[:, every, every]
    largest_B1 = diagonal_BP.max(axis=1, keepdims=True) + 1e-300
    hessian_BPP[:, every, every] += damping_B[:, None] * np.maximum(diagonal_BP, 1e-6 * largest_B1) + 1e-14 * largest_B1
    step_BP = -np.linalg.solve(hessian_BPP, gradient_BP[:, :, None])[:, :, 0]
    return np.asarray(step_BP), -np.asarray((gradient_BP * step_BP).sum(axis=1))


def _hold_offset(at_BP: Array, gradient_BP: Array, hessian_BPP: Array) -> None:
    """Where c is at its bound and pushed outwards, it does not move."""
    held_B = (at_BP[:, 0] <= 0.0) & (gradient_BP[:, 0] > 0)
    gradient_BP[held_B, 0] = 0.0
    hessian_BPP[held_B, 0, 1:] = 0.0
    hessian_BPP[held_B, 1:, 0] = 0.0
    hessian_BPP[held_B, 0, 0] = 1.0
