"""The saturating law on other runs: from the parameters of a fit, a few damped Newton steps, all in one batch.

The objective is that of `saturating`, noise, priors and units those of the fit:

    ½ Σ_r count_r residual_r² / variance  +  the priors

with the variance at which the fit's own objective has the same slope. A draw of few different runs would else take what
it can follow to the last digit for exact. Each run counts as often as it was drawn.

Array dimensions: B problems, R runs, S sampled coordinates, P = 2 S + 2 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index
from olmixctl.surrogate.model import Array
from olmixctl.surrogate.returns import by_scale, returns

__all__ = ["Drawn", "Prior", "refine"]

_ITERATIONS = 500
_SETTLED = 1e-9
"""Newton's decrement over (1 + the objective): parameters are then within some 1e-4 of a posterior deviation."""
_MAX_EXPONENT = 40.0
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e9
_FLOOR = 1e-12
_NEAR = 1e-2
"""Decrement, relative as above, from which the curvature is the exact one."""
_DIFFERENCE = 1e-4
_LEAST_CURVATURE = 0.05


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal priors of the parameters, and the box they stay in: P each.

    Attributes:
        mean_P: means.
        precision_P: one over variances.
        least_P: lower ends.
        most_P: upper ends.
    """

    mean_P: Array
    precision_P: Array
    least_P: Array
    most_P: Array


@dataclass(frozen=True, slots=True)
class Drawn:
    """B problems over the same mixtures.

    Attributes:
        weights_RS: mixtures.
        losses_BR: as measured.
        counts_BR: how often each run was drawn.
        least_B: the least loss of the fit, which the offset is a share of.
        mean_B: its mean loss.
        unit_B: its standard deviation of losses.
        weight_B: one over the variance of residuals, in these units.
        prior: the same for all.
    """

    weights_RS: Array
    losses_BR: Array
    counts_BR: Array
    least_B: Array
    mean_B: Array
    unit_B: Array
    weight_B: Array
    prior: Prior

    def take(self, index: Index) -> Drawn:
        """Some of the problems."""
        return replace(
            self,
            losses_BR=self.losses_BR[index],
            counts_BR=self.counts_BR[index],
            least_B=self.least_B[index],
            mean_B=self.mean_B[index],
            unit_B=self.unit_B[index],
            weight_B=self.weight_B[index],
        )

    def value(self, at_BP: Array) -> Array:
        """Minus the log posterior, up to a constant: B."""
        return self._sum(at_BP, self.squares(at_BP))

    def squares(self, at_BP: Array) -> Array:
        """Σ count residual²: B."""
        return np.asarray((self.counts_BR * self._law(at_BP)[0] ** 2).sum(axis=1))

    def quadratic(self, at_BP: Array, exact_B: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Value, gradient (B × P) and second derivatives (B × P × P): exact ones where `exact_B`, else Gauss–Newton."""
        parts = self._parts(at_BP)
        weight_BR = self.weight_B[:, None] * self.counts_BR
        pull_BR = weight_BR * parts.residual_BR
        along_BP = np.concatenate(
            [
                np.matmul((pull_BR * parts.growth_BR)[:, None], parts.inner_BRX[:, :, :1])[:, 0],
                (pull_BR * parts.offset_BR).sum(axis=1, keepdims=True),
                np.matmul((pull_BR * parts.growth_BR)[:, None], parts.inner_BRX[:, :, 1:])[:, 0],
            ],
            axis=1,
        )
        hessian_BPP = self._gauss_newton(parts, weight_BR)
        if exact_B.any():
            hessian_BPP[exact_B] += self._second(at_BP, parts, pull_BR)[exact_B]
        every = np.arange(at_BP.shape[1])
        hessian_BPP[:, every, every] += self.prior.precision_P
        slope_BP = along_BP + self.prior.precision_P * (at_BP - self.prior.mean_P)
        value_B = self._sum(at_BP, (self.counts_BR * parts.residual_BR**2).sum(axis=1))
        return value_B, slope_BP, hessian_BPP

    def _gauss_newton(self, parts: _Parts, weight_BR: Array) -> Array:
        """Σ weight ∂r ∂r': B × P × P."""
        jacobian_BRP = np.empty((*weight_BR.shape, parts.inner_BRX.shape[2] + 1))
        jacobian_BRP[:, :, 1] = parts.offset_BR
        jacobian_BRP[:, :, 0] = parts.growth_BR
        jacobian_BRP[:, :, 2:] = parts.growth_BR[:, :, None] * parts.inner_BRX[:, :, 1:]
        return np.asarray(np.matmul(jacobian_BRP.transpose(0, 2, 1) * weight_BR[:, None], jacobian_BRP))

    def _second(self, at_BP: Array, parts: _Parts, pull_BR: Array) -> Array:
        """Σ pull ∂²r, B × P × P. With I the inner sum, r = (h expm1(q) − z) / unit and q = I · unit / h."""
        coordinates = self.weights_RS.shape[1]
        offset_B = self._offset(at_BP)
        height_B1, share_B = (self.mean_B - offset_B)[:, None], offset_B / self.least_B
        turn_B1 = (offset_B * (1.0 - share_B))[:, None]
        steep_B1 = self.unit_B[:, None] / height_B1
        second_BPP = np.zeros((len(at_BP), at_BP.shape[1], at_BP.shape[1]))
        inner = np.r_[0, 2 : at_BP.shape[1]]
        bent_BR = pull_BR * parts.growth_BR
        squares_BXX = np.matmul(parts.inner_BRX.transpose(0, 2, 1) * (bent_BR * steep_B1)[:, None], parts.inner_BRX)
        second_BPP[:, inner[:, None], inner[None]] = squares_BXX
        cross_BR = bent_BR * parts.power_BR * turn_B1 / height_B1
        second_BPP[:, 1, inner] = np.matmul(cross_BR[:, None], parts.inner_BRX)[:, 0]
        second_BPP[:, inner, 1] = second_BPP[:, 1, inner]
        own_BR = bent_BR * parts.power_BR**2 * turn_B1**2 / (height_B1 * self.unit_B[:, None])
        second_BPP[:, 1, 1] = (own_BR + pull_BR * parts.offset_BR * (1.0 - 2.0 * share_B)[:, None]).sum(axis=1)
        slopes, scales = np.arange(2, 2 + coordinates), np.arange(2 + coordinates, 2 + 2 * coordinates)
        first_BX = np.matmul(bent_BR[:, None], parts.inner_BRX)[:, 0]
        second_BPP[:, slopes, slopes] += first_BX[:, 1 : 1 + coordinates]
        second_BPP[:, slopes, scales] += first_BX[:, 1 + coordinates :]
        second_BPP[:, scales, slopes] += first_BX[:, 1 + coordinates :]
        second_BPP[:, scales, scales] += np.matmul(bent_BR[:, None], self._turned_twice(at_BP))[:, 0]
        return second_BPP

    def _turned_twice(self, at_BP: Array) -> Array:
        """∂² I / ∂ (log scale)²: B × R × S, by a difference of first derivatives."""
        coordinates = self.weights_RS.shape[1]
        scale_BS, slope_BS = at_BP[:, 2 + coordinates :], np.exp(at_BP[:, 2 : 2 + coordinates])
        ends = []
        for sign in (1.0, -1.0):
            moved_BS = scale_BS + sign * _DIFFERENCE
            ends.append(by_scale(self.weights_RS, moved_BS, returns(self.weights_RS, moved_BS)))
        return np.asarray(-slope_BS[:, None] * (ends[0] - ends[1]) / (2.0 * _DIFFERENCE))

    def _sum(self, at_BP: Array, squares_B: Array) -> Array:
        away_BP = at_BP - self.prior.mean_P
        return np.asarray(0.5 * self.weight_B * squares_B + 0.5 * (self.prior.precision_P * away_BP**2).sum(axis=1))

    def _offset(self, at_BP: Array) -> Array:
        return np.asarray(self.least_B / (1.0 + np.exp(-at_BP[:, 1])))

    def _law(self, at_BP: Array) -> tuple[Array, Array, Array]:
        """Residuals and exponents q, B × R, and returns, B × R × S."""
        coordinates = self.weights_RS.shape[1]
        height_B1 = (self.mean_B - self._offset(at_BP))[:, None]
        u_BRS = returns(self.weights_RS, at_BP[:, 2 + coordinates :])
        inner_BR = at_BP[:, :1] - np.matmul(u_BRS, np.exp(at_BP[:, 2 : 2 + coordinates])[:, :, None])[:, :, 0]
        power_BR = np.minimum(self.unit_B[:, None] / height_B1 * inner_BR, _MAX_EXPONENT)
        away_BR = height_B1 * np.expm1(power_BR) - (self.losses_BR - self.mean_B[:, None])
        return away_BR / self.unit_B[:, None], power_BR, u_BRS

    def _parts(self, at_BP: Array) -> _Parts:
        coordinates, offset_B = self.weights_RS.shape[1], self._offset(at_BP)
        residual_BR, power_BR, u_BRS = self._law(at_BP)
        growth_BR, slope_B1S = np.exp(power_BR), np.exp(at_BP[:, 2 : 2 + coordinates])[:, None]
        turn_B1 = (offset_B * (1.0 - offset_B / self.least_B) / self.unit_B)[:, None]
        inner_BRX = np.empty((*residual_BR.shape, 1 + 2 * coordinates))
        inner_BRX[:, :, 0] = 1.0
        inner_BRX[:, :, 1 : 1 + coordinates] = -slope_B1S * u_BRS
        turned_BRS = by_scale(self.weights_RS, at_BP[:, 2 + coordinates :], u_BRS)
        inner_BRX[:, :, 1 + coordinates :] = -slope_B1S * turned_BRS
        offset_BR = (power_BR * growth_BR - np.expm1(power_BR)) * turn_B1
        return _Parts(residual_BR, power_BR, growth_BR, offset_BR, inner_BRX)


class _Parts(NamedTuple):
    """Residuals, exponents q, e^q, ∂r / ∂ logit of the offset (B × R each), and ∂I / ∂ the other parameters."""

    residual_BR: Array
    power_BR: Array
    growth_BR: Array
    offset_BR: Array
    inner_BRX: Array


def refine(drawn: Drawn, start_BP: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The minima near the starts, and whether each settled: damped Newton, accepted or refused per problem."""
    prior, count = drawn.prior, len(start_BP)
    at_BP = np.clip(start_BP, prior.least_P, prior.most_P)
    damping_B, open_n, settled_B = np.full(count, 1e-3), np.arange(count), np.zeros(count, dtype=bool)
    near_B, bent_B = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for _ in range(_ITERATIONS):
        part = drawn.take(open_n)
        value_n, slope_nP, hessian_nPP = part.quadratic(at_BP[open_n], near_B[open_n])
        hessian_nPP[bent_B[open_n]] = _upwards(hessian_nPP[bent_B[open_n]])
        step_nP = _step(slope_nP, hessian_nPP, damping_B[open_n], prior)
        trial_nP = np.clip(at_BP[open_n] + step_nP, prior.least_P, prior.most_P)
        gain_n, scale_n = -(slope_nP * step_nP).sum(axis=1), 1.0 + np.abs(value_n)
        better_n = (gain_n >= 0.0) & (part.value(trial_nP) <= value_n + _FLOOR * scale_n)
        at_BP[open_n[better_n]] = trial_nP[better_n]
        done_n = better_n & (gain_n <= _SETTLED * scale_n) & (damping_B[open_n] <= 1e-2)
        # A refusal near the end is a saddle's: from then on every direction counts as curved upwards.
        bent_B[open_n[near_B[open_n] & ~better_n]] = True
        near_B[open_n[better_n]] = gain_n[better_n] <= _NEAR * scale_n[better_n]
        settled_B[open_n[done_n]] = True
        scaled_n = damping_B[open_n] * np.where(better_n, 0.2, 10.0)
        damping_B[open_n] = np.clip(scaled_n, _LEAST_DAMPING, _MOST_DAMPING)
        open_n = open_n[~done_n]
        if not len(open_n):
            break
    return at_BP, settled_B


def _step(slope_nP: Array, hessian_nPP: Array, damping_n: Array, prior: Prior) -> Array:
    """The damped Newton step of each problem."""
    every = np.arange(slope_nP.shape[1])
    diagonal_nP = np.maximum(np.abs(hessian_nPP[:, every, every]), prior.precision_P)
    hessian_nPP[:, every, every] += damping_n[:, None] * diagonal_nP
    return -np.asarray(np.linalg.solve(hessian_nPP, slope_nP[:, :, None])[:, :, 0])


def _upwards(hessian_nPP: Array) -> Array:
    """Curvatures of the same size, and none downwards."""
    values_nP, vectors_nPP = np.linalg.eigh(hessian_nPP)
    steep_nP = np.maximum(np.abs(values_nP), _LEAST_CURVATURE)
    return np.asarray(np.matmul(vectors_nPP * steep_nP[:, None, :], vectors_nPP.transpose(0, 2, 1)))
