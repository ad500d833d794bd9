"""The saturating law on other runs: from the parameters of a fit, a few damped Gauss–Newton steps, all in one batch.

The objective is that of `saturating`: the likelihood of normal noise whose variance is integrated out, and the priors;
each run counts as often as it was drawn, and units are those of the fit.

Array dimensions: B problems, R runs, S sampled coordinates, P = 2 S + 2 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index
from olmixctl.surrogate.model import Array
from olmixctl.surrogate.returns import by_scale, returns

__all__ = ["Drawn", "Prior", "refine"]

_ITERATIONS = 60
_SETTLED = 1e-9
"""Newton's decrement over (1 + the objective): parameters are then within some 1e-4 of a posterior deviation."""
_MAX_EXPONENT = 40.0
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e9
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal priors of the parameters, the box they stay in, and the noise that is taken as seen: P each.

    Attributes:
        mean_P: means.
        precision_P: one over variances.
        least_P: lower ends.
        most_P: upper ends.
        noise: sum of squares of as many residuals as `count`.
        count: of them.
    """

    mean_P: Array
    precision_P: Array
    least_P: Array
    most_P: Array
    noise: float
    count: int


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
        prior: the same for all.
    """

    weights_RS: Array
    losses_BR: Array
    counts_BR: Array
    least_B: Array
    mean_B: Array
    unit_B: Array
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
        )

    def value(self, at_BP: Array) -> Array:
        """Minus the log posterior, up to a constant: B."""
        residual_BR = self._law(at_BP)[0]
        return self._sum(at_BP, self._total(residual_BR))

    def quadratic(self, at_BP: Array) -> tuple[Array, Array, Array]:
        """Value, gradient (B × P) and Gauss–Newton second derivatives (B × P × P)."""
        residual_BR, jacobian_BRP = self._slopes(at_BP)
        total_B, count_B = self._total(residual_BR), self._count()
        away_BP = at_BP - self.prior.mean_P
        scaled_BPR = jacobian_BRP.transpose(0, 2, 1) * (self.counts_BR * (count_B / total_B)[:, None])[:, None]
        slope_BP = np.matmul(scaled_BPR, residual_BR[:, :, None])[:, :, 0] + self.prior.precision_P * away_BP
        hessian_BPP = np.matmul(scaled_BPR, jacobian_BRP)
        every = np.arange(at_BP.shape[1])
        hessian_BPP[:, every, every] += self.prior.precision_P
        return self._sum(at_BP, total_B), slope_BP, hessian_BPP

    def _sum(self, at_BP: Array, total_B: Array) -> Array:
        away_BP = at_BP - self.prior.mean_P
        return np.asarray(
            0.5 * self._count() * np.log(total_B) + 0.5 * (self.prior.precision_P * away_BP**2).sum(axis=1)
        )

    def _total(self, residual_BR: Array) -> Array:
        return np.asarray((self.counts_BR * residual_BR**2).sum(axis=1) + self.prior.noise)

    def _count(self) -> Array:
        return np.asarray(self.counts_BR.sum(axis=1) + self.prior.count)

    def _law(self, at_BP: Array) -> tuple[Array, Array, Array]:
        """Residuals and exponents, B × R, and returns, B × R × S."""
        coordinates = self.weights_RS.shape[1]
        height_B1 = (self.mean_B - self._offset(at_BP))[:, None]
        u_BRS = returns(self.weights_RS, at_BP[:, 2 + coordinates :])
        inner_BR = at_BP[:, :1] - np.matmul(u_BRS, np.exp(at_BP[:, 2 : 2 + coordinates])[:, :, None])[:, :, 0]
        power_BR = np.minimum(self.unit_B[:, None] / height_B1 * inner_BR, _MAX_EXPONENT)
        away_BR = height_B1 * np.expm1(power_BR) - (self.losses_BR - self.mean_B[:, None])
        return away_BR / self.unit_B[:, None], power_BR, u_BRS

    def _offset(self, at_BP: Array) -> Array:
        return np.asarray(self.least_B / (1.0 + np.exp(-at_BP[:, 1])))

    def _slopes(self, at_BP: Array) -> tuple[Array, Array]:
        """Residuals, B × R, and their derivatives, B × R × P."""
        coordinates, offset_B = self.weights_RS.shape[1], self._offset(at_BP)
        residual_BR, power_BR, u_BRS = self._law(at_BP)
        growth_BR = np.exp(power_BR)
        jacobian_BRP = np.empty((*residual_BR.shape, at_BP.shape[1]))
        jacobian_BRP[:, :, 0] = growth_BR
        bend_BR = power_BR * growth_BR - np.expm1(power_BR)
        jacobian_BRP[:, :, 1] = bend_BR * (offset_B * (1.0 - offset_B / self.least_B) / self.unit_B)[:, None]
        falls_BRS = -growth_BR[:, :, None] * np.exp(at_BP[:, 2 : 2 + coordinates])[:, None]
        jacobian_BRP[:, :, 2 : 2 + coordinates] = falls_BRS * u_BRS
        turned_BRS = by_scale(self.weights_RS, at_BP[:, 2 + coordinates :], u_BRS)
        jacobian_BRP[:, :, 2 + coordinates :] = falls_BRS * turned_BRS
        return residual_BR, jacobian_BRP


def refine(drawn: Drawn, start_BP: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The minima near the starts, and whether each settled: Levenberg–Marquardt, accepted or refused per problem."""
    prior, count = drawn.prior, len(start_BP)
    at_BP = np.clip(start_BP, prior.least_P, prior.most_P)
    damping_B, open_n, settled_B = np.full(count, 1e-3), np.arange(count), np.zeros(count, dtype=bool)
    every = np.arange(at_BP.shape[1])
    for _ in range(_ITERATIONS):
        part = drawn.take(open_n)
        value_n, slope_nP, hessian_nPP = part.quadratic(at_BP[open_n])
        diagonal_nP = hessian_nPP[:, every, every]
        hessian_nPP[:, every, every] += damping_B[open_n, None] * diagonal_nP
        step_nP = -np.linalg.solve(hessian_nPP, slope_nP[:, :, None])[:, :, 0]
        trial_nP = np.clip(at_BP[open_n] + step_nP, prior.least_P, prior.most_P)
        gain_n = -(slope_nP * step_nP).sum(axis=1)
        better_n = part.value(trial_nP) <= value_n + _FLOOR * (1.0 + np.abs(value_n))
        at_BP[open_n[better_n]] = trial_nP[better_n]
        done_n = better_n & (gain_n <= _SETTLED * (1.0 + np.abs(value_n))) & (damping_B[open_n] <= 1e-2)
        settled_B[open_n[done_n]] = True
        scaled_n = damping_B[open_n] * np.where(better_n, 0.2, 10.0)
        damping_B[open_n] = np.clip(scaled_n, _LEAST_DAMPING, _MOST_DAMPING)
        open_n = open_n[~done_n]
        if not len(open_n):
            break
    return at_BP, settled_B
