"""The log-linear law in effect coordinates: its objective, its derivatives and its leave-one-out error.

In c + exp(A·p) the offset and the coefficients trade against each other along a valley. Around the mean loss ȳ the same
law reads

    f(p) = ȳ + expm1(κ u) / κ,   u = g·p,   κ > 0;      c = ȳ − 1/κ,   A_j = log(1/κ) + κ g_j

with g the effects of the domains in units of the loss and κ the curvature alone: κ → 0 is the straight line. The two
hardly touch each other, so Newton's method is quick however flat, straight or curved the data are.

Everything here is in units of each metric's standard deviation. Array dimensions: B problems, R runs, C coordinates,
P = 1 + C parameters (θ = log κ first, then g), Q = C (C + 1) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array

__all__ = ["Derivatives", "Problems", "leave_one_out"]

# exp(40) is beyond any loss; steps that go there are refused by the objective, which stays finite.
_MAX_EXPONENT = 40.0
# The share of the prior that holds the effect of the mean mixture: enough where nearly all runs are level and one is
# far off, which would send it to −∞.
_SHIFT = 1e-2
# Below this size of κ u, expm1 and its kin lose digits to cancellation and their series, of eight terms, loses none.
_SERIES = 0.05
_MIXED = tuple(n / f for n, f in enumerate((1, 2, 6, 24, 120, 720, 5040, 40320, 362880)))


@dataclass(frozen=True, slots=True)
class Derivatives:
    """At each point: gradients (B × P) and second derivatives (B × P × P)."""

    gradient_BP: Array
    hessian_BPP: Array


@dataclass(frozen=True, slots=True)
class Problems:
    """B problems over the same mixtures, θ in a box:

        mean Huber(z − h) + ridge · (Σ_j (g_j − ḡ)² + κ²) + prior · ((θ − θ0)² + (g·p̄)² / 100),   p̄ the mean mixture

    Means over runs are by `share_BR`: alike for a fit, and how often a resample drew each run for the bootstrap.

    Attributes:
        weights_RC: mixtures.
        outer_RQ: p pᵀ of each run, upper triangle: all curvatures are then one matrix product (`outer`).
        losses_BR: z, what is fitted: losses less their mean, over their standard deviation.
        ridge_B: pull of the effects towards each other and of the law towards a straight line.
        prior_B: pull of θ towards `centre_B`, and of the effect of the mean mixture towards zero.
        centre_B: θ0.
        lower_B: the least θ.
        upper_B: the largest θ.
        delta_B: Huber thresholds; infinite is least squares.
        share_BR: what each run counts for; every row sums to one.
    """

    weights_RC: Array
    outer_RQ: Array
    losses_BR: Array
    ridge_B: Array
    prior_B: Array
    centre_B: Array
    lower_B: Array
    upper_B: Array
    delta_B: Array
    share_BR: Array

    def take(self, keep_B: NDArray[np.intp]) -> Problems:
        """The problems at these indices."""
        return Problems(
            self.weights_RC,
            self.outer_RQ,
            self.losses_BR[keep_B],
            self.ridge_B[keep_B],
            self.prior_B[keep_B],
            self.centre_B[keep_B],
            self.lower_B[keep_B],
            self.upper_B[keep_B],
            self.delta_B[keep_B],
            self.share_BR[keep_B],
        )

    @staticmethod
    def outer(weights_RC: Array) -> Array:
        """The upper triangles of p pᵀ: R × Q."""
        rows, columns = np.triu_indices(weights_RC.shape[1])
        return np.ascontiguousarray(weights_RC[:, rows] * weights_RC[:, columns])

    def boxed(self, at_BP: Array) -> Array:
        """The points with θ moved into its bounds."""
        inside_BP = at_BP.copy()
        inside_BP[:, 0] = np.clip(at_BP[:, 0], self.lower_B, self.upper_B)
        return inside_BP

    def effects(self, at_BP: Array) -> Array:
        """The predictions h = expm1(κ u) / κ: B × R."""
        kappa_B1 = np.exp(at_BP[:, :1])
        return np.asarray(np.expm1(np.minimum(kappa_B1 * self._linear(at_BP), _MAX_EXPONENT)) / kappa_B1)

    def objective(self, at_BP: Array) -> Array:
        """What is minimised: B."""
        huber_BR = _huber(self.losses_BR - self.effects(at_BP), self.delta_B[:, None])
        data_B = (self.share_BR * huber_BR).sum(axis=1)
        ridge_B = self.ridge_B * (_centred(at_BP) ** 2).sum(axis=1)
        prior_B = (at_BP[:, 0] - self.centre_B) ** 2 + _SHIFT * self._level(at_BP) ** 2
        bend_B = self.ridge_B * np.exp(2.0 * at_BP[:, 0])
        return np.asarray(data_B + ridge_B + bend_B + self.prior_B * prior_B)

    def derivatives(self, at_BP: Array, exact_B: NDArray[np.bool_]) -> Derivatives:
        """Gradient and curvature: the exact one where `exact_B`, else Gauss–Newton with Huber weights."""
        delta_B1, exact_B1 = self.delta_B[:, None], exact_B[:, None]
        linear_BR, kappa_B1 = self._linear(at_BP), np.exp(at_BP[:, :1])
        power_BR = np.minimum(kappa_B1 * linear_BR, _MAX_EXPONENT)
        growth_BR = np.exp(power_BR)
        bend_BR = linear_BR * _mixed(power_BR, growth_BR)
        residual_BR = self.losses_BR - np.expm1(power_BR) / kappa_B1
        pull_BR = np.clip(residual_BR, -delta_B1, delta_B1)
        size_BR = np.abs(residual_BR)
        huber_BR = np.minimum(1.0, delta_B1 / np.maximum(size_BR, 1e-300))
        weight_BR = np.where(exact_B1, size_BR <= delta_B1, huber_BR)
        second_BR = np.where(exact_B1, pull_BR, 0.0)
        slope_BR = power_BR * growth_BR
        inner_BR = weight_BR * growth_BR**2 - second_BR * kappa_B1 * growth_BR
        cross_BR = weight_BR * growth_BR * bend_BR - second_BR * slope_BR
        outer_BR = weight_BR * bend_BR**2 - second_BR * (linear_BR * slope_BR - bend_BR)
        pull_BR *= self.share_BR
        weighted = (self.share_BR * part_BR for part_BR in (inner_BR, cross_BR, outer_BR))
        gradient_BP = self._gradient(at_BP, pull_BR * growth_BR, pull_BR * bend_BR)
        return Derivatives(gradient_BP, self._hessian(at_BP, *weighted))

    def _mean(self) -> Array:
        """The mean mixture p̄ of each problem: B × C."""
        return np.asarray(self.share_BR @ self.weights_RC)

    def _level(self, at_BP: Array) -> Array:
        """The effect of the mean mixture, g·p̄: B."""
        return np.asarray((at_BP[:, 1:] * self._mean()).sum(axis=1))

    def _linear(self, at_BP: Array) -> Array:
        return np.asarray(at_BP[:, 1:] @ self.weights_RC.T)

    def _gradient(self, at_BP: Array, along_BR: Array, bend_BR: Array) -> Array:
        gradient_BP = np.empty_like(at_BP)
        gradient_BP[:, 0] = 2.0 * self.prior_B * (at_BP[:, 0] - self.centre_B) - bend_BR.sum(axis=1)
        gradient_BP[:, 0] += 2.0 * self.ridge_B * np.exp(2.0 * at_BP[:, 0])
        gradient_BP[:, 1:] = 2.0 * self.ridge_B[:, None] * _centred(at_BP)
        gradient_BP[:, 1:] += 2.0 * _SHIFT * (self.prior_B * self._level(at_BP))[:, None] * self._mean()
        gradient_BP[:, 1:] -= along_BR @ self.weights_RC
        return gradient_BP

    def _hessian(self, at_BP: Array, inner_BR: Array, cross_BR: Array, outer_BR: Array) -> Array:
        """Second derivatives from their weights in g × g, g × θ and θ × θ: B × P × P."""
        coordinates = self.weights_RC.shape[1]
        rows, columns = np.triu_indices(coordinates)
        packed_BQ = inner_BR @ self.outer_RQ
        hessian_BPP = np.empty((len(inner_BR), coordinates + 1, coordinates + 1))
        hessian_BPP[:, rows + 1, columns + 1] = packed_BQ
        hessian_BPP[:, columns + 1, rows + 1] = packed_BQ
        hessian_BPP[:, 0, 0] = (
            outer_BR.sum(axis=1) + 2.0 * self.prior_B + 4.0 * self.ridge_B * np.exp(2.0 * at_BP[:, 0])
        )
        hessian_BPP[:, 0, 1:] = cross_BR @ self.weights_RC
        hessian_BPP[:, 1:, 0] = hessian_BPP[:, 0, 1:]
        hessian_BPP[:, 1:, 1:] += self._pull(slice(None))
        return hessian_BPP

    def _pull(self, keep: slice) -> Array:
        """Second derivatives in g of ridge and prior."""
        mean_BC = self.share_BR[keep] @ self.weights_RC
        coordinates = mean_BC.shape[1]
        pull_BCC = self.ridge_B[keep, None, None] * (np.eye(coordinates) - 1.0 / coordinates)
        pull_BCC += (_SHIFT * self.prior_B[keep])[:, None, None] * mean_BC[:, :, None] * mean_BC[:, None, :]
        return np.asarray(2.0 * pull_BCC)

    def penalty(self, b: int, theta: float) -> Array:
        """Second derivatives of ridge and prior of problem `b`: P × P."""
        parameters = self.weights_RC.shape[1] + 1
        penalty_PP = np.zeros((parameters, parameters))
        penalty_PP[0, 0] = 2.0 * self.prior_B[b] + 4.0 * self.ridge_B[b] * np.exp(2.0 * theta)
        penalty_PP[1:, 1:] = self._pull(slice(b, b + 1))[0]
        return penalty_PP

    def jacobian(self, at_P: Array) -> Array:
        """Derivatives of the predictions of one problem: R × P."""
        linear_R, kappa = self.weights_RC @ at_P[1:], np.exp(at_P[0])
        power_R = np.minimum(kappa * linear_R, _MAX_EXPONENT)
        growth_R = np.exp(power_R)
        bend_R = linear_R * _mixed(power_R, growth_R)
        return np.concatenate([bend_R[:, None], growth_R[:, None] * self.weights_RC], axis=1)


def leave_one_out(problems: Problems, at_BP: Array) -> Array:
    """Mean loss (half squares, Huber where robust) of each mixture's runs predicted without them, linearised: B.

    The residuals of k runs of one mixture without these runs are about e + h Σe / (1 − k h), with h the leverage in the
    penalised Gauss–Newton system at the optimum; exact for a linear law (PRESS). Runs of one mixture leave together:
    one of them would know the others' answer, and the weakest ridge would always win.
    """
    residual_BR = problems.losses_BR - problems.effects(at_BP)
    runs = len(problems.weights_RC)
    _, group_R, count_G = np.unique(problems.weights_RC, axis=0, return_inverse=True, return_counts=True)
    group_R = group_R.reshape(-1)
    errors_B = np.empty(len(at_BP))
    for b, at_P in enumerate(at_BP):
        jacobian_RP = problems.jacobian(at_P)
        hessian_PP = jacobian_RP.T @ jacobian_RP / runs + problems.penalty(b, at_P[0])
        hessian_PP += 1e-13 * np.trace(hessian_PP) * np.eye(len(at_P))
        solved_PR = np.linalg.solve(hessian_PP, jacobian_RP.T)
        leverage_R = np.maximum(np.einsum("rp,pr->r", jacobian_RP, solved_PR) / runs, 0.0)
        rest_R = np.maximum(1.0 - count_G[group_R] * leverage_R, 1e-6)
        together_R = np.bincount(group_R, weights=residual_BR[b])[group_R]
        left_R = residual_BR[b] + np.minimum(leverage_R, 1.0) * together_R / rest_R
        errors_B[b] = _huber(left_R, problems.delta_B[b]).mean()
    return errors_B


def _mixed(power: Array, growth: Array) -> Array:
    """e^q − expm1(q)/q, which is what κ bends a prediction by, over u; a series where q is small."""
    small = np.abs(power) < _SERIES
    safe = np.where(small, 1.0, power)
    series = np.polynomial.polynomial.polyval(np.where(small, power, 0.0), _MIXED)
    return np.asarray(np.where(small, series, growth - np.expm1(safe) / safe))


def _huber(residual: Array, delta: Array | np.float64) -> Array:
    """Half the square up to δ, straight beyond; written so that an infinite δ never meets a zero."""
    size = np.abs(residual)
    inside = np.minimum(size, delta)
    return np.asarray(inside * (size - 0.5 * inside))


def _centred(at_BP: Array) -> Array:
    return np.asarray(at_BP[:, 1:] - at_BP[:, 1:].mean(axis=1, keepdims=True))
