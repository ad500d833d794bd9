"""The laws of `saturating` while they are searched for: their posterior, its derivatives, and damped Newton steps.

    ½ Σ_r count_r residual_r² / variance  +  the priors

of B problems (metrics, starts, draws) in one batch. The variance is given: a fit asks how large it should be
(`evident_noise`), and refits on other runs keep that of their fit, or a draw of few different runs would take what it
can follow to the last digit for exact. Each run counts as often as it was drawn.

With h = ȳ − c, c a share of the least loss, and losses in units of their standard deviation, the law is

    c + h exp(q),   q = (unit / h) I,   I = level − Σ_j e^slope_j u_j(p_j; e^scale_j)

so that near-level losses leave no valley: the offset bends the law and moves nothing.

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

__all__ = ["USUAL_NOISE", "Laws", "Prior", "refine"]

_ITERATIONS = 500
_SETTLED = 1e-9
"""Newton's decrement over (1 + the objective): parameters are then within some 1e-4 of a posterior deviation."""
_MAX_EXPONENT = 40.0
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e9
_FLOOR = 1e-12
_NEAR = 1e-2
"""Decrement, relative as above, from which the curvature is the exact one."""
USUAL_NOISE, _NOISE_COUNT = 0.05, 2.0
"""What is believed of noise beforehand, in standard deviations of the metric, and how many residuals that counts."""
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
class Laws:
    """B problems over the same mixtures.

    Attributes:
        weights_RS: mixtures.
        losses_BR: as measured.
        counts_BR: how often each run was drawn.
        least_B: the least loss of the fit, which the offset is a share of.
        mean_B: its mean loss.
        unit_B: its standard deviation of losses.
        variance_B: of residuals, in these units squared.
        centre_BP: where the priors are centred.
        prior: the same for all.
    """

    weights_RS: Array
    losses_BR: Array
    counts_BR: Array
    least_B: Array
    mean_B: Array
    unit_B: Array
    variance_B: Array
    centre_BP: Array
    prior: Prior

    def take(self, index: Index) -> Laws:
        """Some of the problems."""
        return replace(
            self,
            losses_BR=self.losses_BR[index],
            counts_BR=self.counts_BR[index],
            least_B=self.least_B[index],
            mean_B=self.mean_B[index],
            unit_B=self.unit_B[index],
            variance_B=self.variance_B[index],
            centre_BP=self.centre_BP[index],
        )

    def value(self, at_BP: Array) -> Array:
        """Minus the log posterior, up to a constant: B."""
        return self._sum(at_BP, self.squares(at_BP))

    def squares(self, at_BP: Array) -> Array:
        """Σ count residual²: B."""
        return np.asarray((self.counts_BR * self._law(at_BP)[0] ** 2).sum(axis=1))

    def objective(self, at_bP: Array, index: Index) -> tuple[Array, Array]:
        """Value and gradient of the problems with these indices, as searches ask for them."""
        return self.take(index).slope(at_bP)

    def slope(self, at_BP: Array) -> tuple[Array, Array]:
        """Value and gradient; outside the box the law is that of its border."""
        inside_BP = np.clip(at_BP, self.prior.least_P, self.prior.most_P)
        parts = self._parts(inside_BP)
        slope_BP = np.where(at_BP == inside_BP, parts.along(self._weights() * parts.residual_BR), 0.0)
        value_B = self._sum(at_BP, (self.counts_BR * parts.residual_BR**2).sum(axis=1))
        return value_B, slope_BP + self.prior.precision_P * (at_BP - self.centre_BP)

    def quadratic(self, at_BP: Array, exact_B: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Value, gradient (B × P) and second derivatives (B × P × P): exact ones where `exact_B`, else Gauss–Newton."""
        parts = self._parts(at_BP)
        pull_BR = self._weights() * parts.residual_BR
        hessian_BPP = self._gauss_newton(parts)
        if exact_B.any():
            hessian_BPP[exact_B] += self._second(at_BP, parts, pull_BR)[exact_B]
        every = np.arange(at_BP.shape[1])
        hessian_BPP[:, every, every] += self.prior.precision_P
        slope_BP = parts.along(pull_BR) + self.prior.precision_P * (at_BP - self.centre_BP)
        value_B = self._sum(at_BP, (self.counts_BR * parts.residual_BR**2).sum(axis=1))
        return value_B, slope_BP, hessian_BPP

    def evident_noise(self, at_BP: Array) -> Array:
        """The variance of residuals that their evidence is largest for, near minima under this one: B.

        Σ residual² over the runs less the parameters that these determine (MacKay 1992, Bayesian interpolation,
        section 4), with `_NOISE_COUNT` residuals of `USUAL_NOISE` beforehand.
        """
        parts = self._parts(at_BP)
        known_BPP = self._gauss_newton(parts)
        whole_BPP = known_BPP + np.diag(self.prior.precision_P)
        taken_B = np.trace(np.linalg.solve(whole_BPP, known_BPP), axis1=1, axis2=2)
        square_B = (self.counts_BR * parts.residual_BR**2).sum(axis=1) + _NOISE_COUNT * USUAL_NOISE**2
        return np.asarray(square_B / (self.counts_BR.sum(axis=1) - taken_B + _NOISE_COUNT))

    def _weights(self) -> Array:
        return self.counts_BR / self.variance_B[:, None]

    def _gauss_newton(self, parts: _Parts) -> Array:
        """Σ weight ∂r ∂r': B × P × P."""
        inner_BRX = parts.inner()
        jacobian_BRP = np.empty((*self.counts_BR.shape, inner_BRX.shape[2] + 1))
        jacobian_BRP[:, :, 1] = parts.offset_BR
        jacobian_BRP[:, :, 0] = parts.growth_BR
        jacobian_BRP[:, :, 2:] = parts.growth_BR[:, :, None] * inner_BRX[:, :, 1:]
        weighted_BPR = jacobian_BRP.transpose(0, 2, 1) * self._weights()[:, None]
        return np.asarray(np.matmul(weighted_BPR, jacobian_BRP))

    def _second(self, at_BP: Array, parts: _Parts, pull_BR: Array) -> Array:
        """Σ pull ∂²r, B × P × P. With I the inner sum, r = (h expm1(q) − z) / unit and q = I · unit / h."""
        coordinates = self.weights_RS.shape[1]
        offset_B = self._offset(at_BP)
        height_B1, share_B = (self.mean_B - offset_B)[:, None], offset_B / self.least_B
        turn_B1 = (offset_B * (1.0 - share_B))[:, None]
        steep_B1 = self.unit_B[:, None] / height_B1
        second_BPP = np.zeros((len(at_BP), at_BP.shape[1], at_BP.shape[1]))
        inner_BRX = parts.inner()
        inner = np.r_[0, 2 : at_BP.shape[1]]
        bent_BR = pull_BR * parts.growth_BR
        squares_BXX = np.matmul(inner_BRX.transpose(0, 2, 1) * (bent_BR * steep_B1)[:, None], inner_BRX)
        second_BPP[:, inner[:, None], inner[None]] = squares_BXX
        cross_BR = bent_BR * parts.power_BR * turn_B1 / height_B1
        second_BPP[:, 1, inner] = np.matmul(cross_BR[:, None], inner_BRX)[:, 0]
        second_BPP[:, inner, 1] = second_BPP[:, 1, inner]
        own_BR = bent_BR * parts.power_BR**2 * turn_B1**2 / (height_B1 * self.unit_B[:, None])
        second_BPP[:, 1, 1] = (own_BR + pull_BR * parts.offset_BR * (1.0 - 2.0 * share_B)[:, None]).sum(axis=1)
        slopes, scales = np.arange(2, 2 + coordinates), np.arange(2 + coordinates, 2 + 2 * coordinates)
        first_BX = np.matmul(bent_BR[:, None], inner_BRX)[:, 0]
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
        away_BP = at_BP - self.centre_BP
        return np.asarray(0.5 * squares_B / self.variance_B + 0.5 * (self.prior.precision_P * away_BP**2).sum(axis=1))

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
        turn_B1 = (offset_B * (1.0 - offset_B / self.least_B) / self.unit_B)[:, None]
        growth_BR = np.exp(power_BR)
        return _Parts(
            residual_BR=residual_BR,
            power_BR=power_BR,
            growth_BR=growth_BR,
            offset_BR=(power_BR * growth_BR - np.expm1(power_BR)) * turn_B1,
            slope_BS=np.exp(at_BP[:, 2 : 2 + coordinates]),
            u_BRS=u_BRS,
            turned_BRS=by_scale(self.weights_RS, at_BP[:, 2 + coordinates :], u_BRS),
        )


class _Parts(NamedTuple):
    """What derivatives are made of.

    Residuals r, exponents q, e^q, ∂r / ∂ logit of the offset, slopes, returns u and ∂u / ∂ log scale.
    """

    residual_BR: Array
    power_BR: Array
    growth_BR: Array
    offset_BR: Array
    slope_BS: Array
    u_BRS: Array
    turned_BRS: Array

    def along(self, pull_BR: Array) -> Array:
        """Σ pull ∂r: B × P."""
        along_BR = pull_BR * self.growth_BR
        return np.concatenate(
            [
                along_BR.sum(axis=1, keepdims=True),
                (pull_BR * self.offset_BR).sum(axis=1, keepdims=True),
                -self.slope_BS * np.matmul(along_BR[:, None], self.u_BRS)[:, 0],
                -self.slope_BS * np.matmul(along_BR[:, None], self.turned_BRS)[:, 0],
            ],
            axis=1,
        )

    def inner(self) -> Array:
        """∂I / ∂ level, log slopes and log scales, with I the inner sum: B × R × (1 + 2 S)."""
        ones_BR1, slope_B1S = np.ones_like(self.residual_BR)[:, :, None], self.slope_BS[:, None]
        return np.concatenate([ones_BR1, -slope_B1S * self.u_BRS, -slope_B1S * self.turned_BRS], axis=2)


def refine(laws: Laws, start_BP: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The minima near the starts, and whether each settled: damped Newton, accepted or refused per problem."""
    prior, count = laws.prior, len(start_BP)
    at_BP = np.clip(start_BP, prior.least_P, prior.most_P)
    damping_B, open_n, settled_B = np.full(count, 1e-3), np.arange(count), np.zeros(count, dtype=bool)
    near_B, bent_B = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for _ in range(_ITERATIONS):
        part = laws.take(open_n)
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
