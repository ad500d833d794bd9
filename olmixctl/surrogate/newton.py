"""Damped Newton for many small problems c + exp(A·p) at once: every metric and every start in one batch.

Array dimensions: B problems, R runs, C coordinates, P = 1 + C parameters (c first).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array

__all__ = ["Problems", "Refined", "leave_one_out", "refine"]

_ITERATIONS = 200
# Relative fall of the objective under which a step counts as the last one.
_TOLERANCE = 1e-15
_ROBUST_ITERATIONS = 8
# exp(40) is beyond any loss; steps that go there are refused by the objective, which stays finite.
_MAX_EXPONENT = 40.0


@dataclass(frozen=True, slots=True)
class Problems:
    """B problems over the same mixtures: mean Huber(y − c − exp(A·p)) + penalty · Σ_j (A_j − Ā)², c ≥ 0.

    Attributes:
        weights_RC: mixtures.
        losses_BR: what is fitted.
        penalty_B: ridge times the squared scale of the losses.
        delta_B: Huber thresholds; infinite is least squares.
    """

    weights_RC: Array
    losses_BR: Array
    penalty_B: Array
    delta_B: Array

    def take(self, keep_B: NDArray[np.intp]) -> Problems:
        """The problems at these indices."""
        return Problems(self.weights_RC, self.losses_BR[keep_B], self.penalty_B[keep_B], self.delta_B[keep_B])


@dataclass(frozen=True, slots=True)
class Refined:
    """Optima found: parameters, objective values, whether each met the tolerance, iterations of the slowest."""

    parameters_BP: Array
    objective_B: Array
    converged_B: NDArray[np.bool_]
    iterations: int


def refine(problems: Problems, start_BP: Array) -> Refined:
    """Minimise every problem from its start.

    Levenberg–Marquardt damping with accept or reject per problem; the curvature is Gauss–Newton with Huber weights in
    the first iterations and the exact one (clipped where negative) after, so the end is quadratic and reproducible.
    """
    outer_RQ = _outer(problems.weights_RC)
    at_BP = start_BP.copy()
    at_BP[:, 0] = np.maximum(at_BP[:, 0], 0.0)
    value_B = _objective(problems, at_BP)
    damping_B = np.full(len(at_BP), 1e-3)
    open_B = np.ones(len(at_BP), dtype=bool)
    done = 0
    for done in range(1, _ITERATIONS + 1):
        index = np.flatnonzero(open_B)
        if not index.size:
            break
        part = problems.take(index)
        step_BP = _step(part, at_BP[index], damping_B[index], outer_RQ, exact=done > _ROBUST_ITERATIONS)
        trial_BP = at_BP[index] + step_BP
        trial_BP[:, 0] = np.maximum(trial_BP[:, 0], 0.0)
        trial_B = _objective(part, trial_BP)
        fall_B = value_B[index] - trial_B
        better_B = fall_B >= 0
        small_B = np.abs(fall_B) <= _TOLERANCE * value_B[index] + 1e-300
        at_BP[index[better_B]] = trial_BP[better_B]
        value_B[index[better_B]] = trial_B[better_B]
        damping_B[index] = np.where(better_B, damping_B[index] * 0.1, damping_B[index] * 10.0)
        settled_B = (small_B & (done > _ROBUST_ITERATIONS)) | (damping_B[index] > 1e12)
        open_B[index[settled_B]] = False
    return Refined(at_BP, value_B, ~open_B, done)


def leave_one_out(problems: Problems, at_BP: Array) -> Array:
    """Mean squared error (Huber where robust) of each run predicted without it, linearised at the optimum: B.

    The residual without run r is about e_r / (1 − h_r), with h the leverage of the penalised Gauss–Newton system;
    exact for a linear law (PRESS).
    """
    weights_RC = problems.weights_RC
    exp_BR = np.exp(np.minimum(at_BP[:, 1:] @ weights_RC.T, _MAX_EXPONENT))
    residual_BR = problems.losses_BR - at_BP[:, :1] - exp_BR
    hessian_BPP = _curvature(problems, exp_BR, np.ones_like(exp_BR), np.ones_like(exp_BR) * 0.0, _outer(weights_RC))
    runs = len(weights_RC)
    errors = []
    for b in range(len(at_BP)):
        jacobian_RP = np.concatenate([np.ones((runs, 1)), exp_BR[b][:, None] * weights_RC], axis=1)
        trace = np.trace(hessian_BPP[b]) * 1e-14
        solved_PR = np.linalg.solve(hessian_BPP[b] + trace * np.eye(jacobian_RP.shape[1]), jacobian_RP.T)
        leverage_R = np.clip(np.einsum("rp,pr->r", jacobian_RP, solved_PR) / runs, 0.0, 1.0 - 1e-6)
        left_R = residual_BR[b] / (1.0 - leverage_R)
        errors.append(float(_huber(left_R, problems.delta_B[b]).mean()))
    return np.array(errors)


def _huber(residual: Array, delta: Array | float) -> Array:
    size = np.abs(residual)
    inside = np.minimum(size, delta)
    # δ(|e| − δ/2) beyond δ; written so that an infinite δ never meets a zero.
    return np.asarray(0.5 * inside**2 + np.where(size > delta, inside * (size - inside), 0.0))


def _objective(problems: Problems, at_BP: Array) -> Array:
    exponent_BR = np.minimum(at_BP[:, 1:] @ problems.weights_RC.T, _MAX_EXPONENT)
    residual_BR = problems.losses_BR - at_BP[:, :1] - np.exp(exponent_BR)
    centred_BC = at_BP[:, 1:] - at_BP[:, 1:].mean(axis=1, keepdims=True)
    ridge_B = problems.penalty_B * (centred_BC**2).sum(axis=1)
    return np.asarray(_huber(residual_BR, problems.delta_B[:, None]).mean(axis=1) + ridge_B)


def _outer(weights_RC: Array) -> Array:
    """Outer product p pᵀ of each run, upper triangle only: R × C(C+1)/2. All curvatures are then one matrix product."""
    rows, columns = np.triu_indices(weights_RC.shape[1])
    return np.ascontiguousarray(weights_RC[:, rows] * weights_RC[:, columns])


def _curvature(problems: Problems, exp_BR: Array, weight_BR: Array, bend_BR: Array, outer_RQ: Array) -> Array:
    """Second derivatives of the objective: B × P × P.

    `weight` is the second derivative of the loss, `bend` its first (times −1): the exponential bends by itself.
    """
    runs, coordinates = problems.weights_RC.shape
    rows, columns = np.triu_indices(coordinates)
    packed_BQ = np.maximum(weight_BR * exp_BR**2 - bend_BR * exp_BR, 0.0) @ outer_RQ / runs
    hessian_BPP = np.empty((len(exp_BR), coordinates + 1, coordinates + 1))
    hessian_BPP[:, rows + 1, columns + 1] = packed_BQ
    hessian_BPP[:, columns + 1, rows + 1] = packed_BQ
    hessian_BPP[:, 0, 0] = weight_BR.mean(axis=1)
    hessian_BPP[:, 0, 1:] = (weight_BR * exp_BR) @ problems.weights_RC / runs
    hessian_BPP[:, 1:, 0] = hessian_BPP[:, 0, 1:]
    centring = np.eye(coordinates) - 1.0 / coordinates
    hessian_BPP[:, 1:, 1:] += 2.0 * problems.penalty_B[:, None, None] * centring
    return hessian_BPP


def _step(problems: Problems, at_BP: Array, damping_B: Array, outer_RQ: Array, *, exact: bool) -> Array:
    weights_RC, delta_B1 = problems.weights_RC, problems.delta_B[:, None]
    exp_BR = np.exp(np.minimum(at_BP[:, 1:] @ weights_RC.T, _MAX_EXPONENT))
    residual_BR = problems.losses_BR - at_BP[:, :1] - exp_BR
    pull_BR = np.clip(residual_BR, -delta_B1, delta_B1)
    size_BR = np.abs(residual_BR)
    weight_BR = np.minimum(1.0, delta_B1 / np.maximum(size_BR, 1e-300))
    if exact:
        inside_BR = size_BR <= delta_B1
        # With few points inside, the exact curvature is too flat to step by; keep the weights there.
        enough_B1 = inside_BR.mean(axis=1, keepdims=True) > 0.5
        weight_BR = np.where(enough_B1, inside_BR.astype(np.float64), weight_BR)
    bend_BR = pull_BR if exact else np.zeros_like(pull_BR)
    hessian_BPP = _curvature(problems, exp_BR, weight_BR, bend_BR, outer_RQ)
    centred_BC = at_BP[:, 1:] - at_BP[:, 1:].mean(axis=1, keepdims=True)
    gradient_BP = np.empty_like(at_BP)
    gradient_BP[:, 0] = -pull_BR.mean(axis=1)
    gradient_BP[:, 1:] = -(pull_BR * exp_BR) @ weights_RC / len(weights_RC)
    gradient_BP[:, 1:] += 2.0 * problems.penalty_B[:, None] * centred_BC
    _hold_offset(at_BP, gradient_BP, hessian_BPP)
    diagonal_BP = np.einsum("bpp->bp", hessian_BPP)
    floor_B1 = 1e-14 * diagonal_BP.max(axis=1, keepdims=True) + 1e-300
    shift_BP = damping_B[:, None] * np.maximum(diagonal_BP, 1e-6 * diagonal_BP.max(axis=1, keepdims=True)) + floor_B1
    np.einsum("bpp->bp", hessian_BPP)[...] += shift_BP
    return np.asarray(-np.linalg.solve(hessian_BPP, gradient_BP[:, :, None])[:, :, 0])


def _hold_offset(at_BP: Array, gradient_BP: Array, hessian_BPP: Array) -> None:
    """Where c is at its bound and pushed outwards, it does not move."""
    held_B = (at_BP[:, 0] <= 0.0) & (gradient_BP[:, 0] > 0)
    gradient_BP[held_B, 0] = 0.0
    hessian_BPP[held_B, 0, 1:] = 0.0
    hessian_BPP[held_B, 1:, 0] = 0.0
    hessian_BPP[held_B, 0, 0] = 1.0
