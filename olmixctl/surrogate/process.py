"""Gaussian processes over mixtures: the objective of their hyperparameters, its gradient, and what they predict.

Targets are standardised logarithms of losses. With u the diminishing returns of each domain (`returns`), scale s a
domain, two kinds of mean are modelled:

    free:  covariance 4 + Σ_j a_j² u_j u_j' + A² exp(−½ Σ_j r_j² (u_j − u_j')²) + noise, mean zero
    held:  the same with a_j = 0.1 in the covariance, and the mean −Σ_j a_j u_j: more of a domain never hurts

All of a, r, s, A and the noise are logarithms with normal priors, those of one domain correlated, and are found at the
maximum of the posterior. Array dimensions: B problems, R runs, C coordinates, N mixtures, P = 3 C + 2 parameters
(log a, log r, log s; log A, log noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from olmixctl.surrogate.descent import Index
from olmixctl.surrogate.model import Array
from olmixctl.surrogate.returns import by_scale, by_share, returns

__all__ = ["Expected", "Posterior", "Process"]

# Mean and standard deviation of the priors, in units of the standardised targets: most domains matter little to a
# metric and a few much; returns diminish from a few percent on, anywhere between a thousandth and more than everything.
_SLOPE, _RATE, _SCALE = (-2.5, 1.5), (-1.0, 1.0), (-3.5, 2.0)
_BEND, _NOISE = (-1.0, 2.0), (-2.5, 1.0)
# Correlations of a domain's slope, rate and scale: one that matters interacts too, and saturates early.
_TOGETHER = ((1.0, 0.8, -0.6), (0.8, 1.0, -0.5), (-0.6, -0.5, 1.0))
# The likelihood is level beyond these: past them the matrices lose their digits, and no posterior is there.
_LEAST, _MOST = (-9.0, -9.0, -12.0, -9.0, -9.0), (5.0, 5.0, 9.0, 4.0, 4.0)
_LEVEL = 4.0
_HELD_SLOPE = 0.1
_WAVES = 256
# A thousandth of the targets' standard deviation: exact data keep the matrices far from singular.
_JITTER = 1e-6


class _Parts(NamedTuple):
    """A point by its parts: B × C three times, then B twice."""

    slope_BC: Array
    rate_BC: Array
    scale_BC: Array
    bend_B: Array
    noise_B: Array


@dataclass(frozen=True, slots=True)
class Process:
    """B problems over the same mixtures.

    Attributes:
        weights_RC: mixtures.
        targets_BR: standardised.
        held: slopes are the mean's and not negative, instead of free.
    """

    weights_RC: Array
    targets_BR: Array
    held: bool

    def prior(self) -> Array:
        """The priors' means, where the search starts: P."""
        return _spread([p[0] for p in (_SLOPE, _RATE, _SCALE, _BEND, _NOISE)], self.weights_RC.shape[1])

    def pull(self, away_BP: Array) -> Array:
        """The priors' precision times how far parameters are from their means: B × P."""
        coordinates = self.weights_RC.shape[1]
        deviation_3 = np.array([_SLOPE[1], _RATE[1], _SCALE[1]])
        precision_33 = np.linalg.inv(np.array(_TOGETHER) * deviation_3[:, None] * deviation_3)
        pull_BP = away_BP * _spread([0.0, 0.0, 0.0, _BEND[1] ** -2, _NOISE[1] ** -2], coordinates)
        by_kind_B3C = away_BP[:, :-2].reshape(-1, 3, coordinates)
        pull_BP[:, :-2] = np.matmul(precision_33, by_kind_B3C).reshape(-1, 3 * coordinates)
        return pull_BP

    def objective(self, at_BP: Array, index: Index) -> tuple[Array, Array]:
        """Minus the log posterior (up to a constant) and its gradient."""
        coordinates = self.weights_RC.shape[1]
        inside_BP = np.clip(at_BP, _spread(_LEAST, coordinates), _spread(_MOST, coordinates))
        value_B, slope_BP = self._likelihood(inside_BP, self.targets_BR[index])
        away_BP = at_BP - self.prior()
        pull_BP = self.pull(away_BP)
        value_B = value_B + 0.5 * (pull_BP * away_BP).sum(axis=1)
        return value_B, np.where(at_BP == inside_BP, slope_BP, 0.0) + pull_BP

    def _likelihood(self, at_BP: Array, targets_BR: Array) -> tuple[Array, Array]:
        parts, runs = _parts(at_BP), np.arange(len(self.weights_RC))
        u_BRC = returns(self.weights_RC, parts.scale_BC)
        smooth_BRR = _smooth(u_BRC, u_BRC, parts)
        whole_BRR = self.linear(u_BRC, u_BRC, parts) + smooth_BRR
        noise_B = np.exp(2.0 * parts.noise_B)
        whole_BRR[:, runs, runs] += noise_B[:, None] + _JITTER
        inverse_BRR = np.linalg.inv(whole_BRR)
        rest_BR = targets_BR - self.mean(u_BRC, parts)
        solved_BR = np.matmul(inverse_BRR, rest_BR[:, :, None])[:, :, 0]
        half_log_det_B = np.log(np.linalg.cholesky(whole_BRR)[:, runs, runs]).sum(axis=1)
        pull_BRR = 0.5 * (inverse_BRR - solved_BR[:, :, None] * solved_BR[:, None, :])
        slope_BP = np.empty_like(at_BP)
        slope_BP[:, -1] = 2.0 * noise_B * pull_BRR[:, runs, runs].sum(axis=1)
        self._slopes(slope_BP, _Inner(parts, u_BRC, solved_BR, pull_BRR, pull_BRR * smooth_BRR))
        return 0.5 * (rest_BR * solved_BR).sum(axis=1) + half_log_det_B, slope_BP

    def _slopes(self, slope_BP: Array, inner: _Inner) -> None:
        """Fill in all derivatives but the noise's."""
        parts, u_BRC, solved_BR, pull_BRR, bend_BRR = inner
        coordinates = self.weights_RC.shape[1]
        slopes_BC, square_BC = np.exp(parts.slope_BC), np.exp(2.0 * parts.rate_BC)
        pulled_BRC = np.matmul(pull_BRR, u_BRC)
        total_BR = bend_BRR.sum(axis=2)
        apart_BRC = u_BRC * total_BR[:, :, None] - np.matmul(bend_BRR, u_BRC)
        if self.held:
            slope_BP[:, :coordinates] = slopes_BC * (solved_BR[:, :, None] * u_BRC).sum(axis=1)
            by_u_BRC = solved_BR[:, :, None] * slopes_BC[:, None, :] + 2.0 * _HELD_SLOPE**2 * pulled_BRC
        else:
            slope_BP[:, :coordinates] = 2.0 * slopes_BC**2 * (u_BRC * pulled_BRC).sum(axis=1)
            by_u_BRC = 2.0 * slopes_BC[:, None, :] ** 2 * pulled_BRC
        by_u_BRC -= 2.0 * square_BC[:, None, :] * apart_BRC
        slope_BP[:, coordinates : 2 * coordinates] = -2.0 * square_BC * (u_BRC * apart_BRC).sum(axis=1)
        along_BRC = by_scale(self.weights_RC, parts.scale_BC, u_BRC)
        slope_BP[:, 2 * coordinates : 3 * coordinates] = (by_u_BRC * along_BRC).sum(axis=1)
        slope_BP[:, -2] = 2.0 * total_BR.sum(axis=1)

    def linear(self, u_BNC: Array, u_BRC: Array, parts: _Parts) -> Array:
        """The covariance of level and slopes: B × N × R."""
        square_BC = np.full_like(parts.slope_BC, _HELD_SLOPE**2) if self.held else np.exp(2.0 * parts.slope_BC)
        return np.asarray(_LEVEL + np.matmul(u_BNC * square_BC[:, None, :], u_BRC.transpose(0, 2, 1)))

    def mean(self, u_BNC: Array, parts: _Parts) -> Array:
        """The mean at each mixture: B × N."""
        if not self.held:
            return np.zeros(u_BNC.shape[:2])
        return -np.asarray((u_BNC * np.exp(parts.slope_BC)[:, None, :]).sum(axis=2))

    def posterior(self, at_BP: Array) -> Posterior:
        """What the runs leave to be expected elsewhere, at these hyperparameters."""
        coordinates, runs = self.weights_RC.shape[1], np.arange(len(self.weights_RC))
        parts = _parts(np.clip(at_BP, _spread(_LEAST, coordinates), _spread(_MOST, coordinates)))
        u_BRC = returns(self.weights_RC, parts.scale_BC)
        whole_BRR = self.linear(u_BRC, u_BRC, parts) + _smooth(u_BRC, u_BRC, parts)
        whole_BRR[:, runs, runs] += np.exp(2.0 * parts.noise_B)[:, None] + _JITTER
        inverse_BRR = np.asarray(np.linalg.inv(whole_BRR))
        solved_BR = _times(inverse_BRR, self.targets_BR - self.mean(u_BRC, parts))
        return Posterior(Expected(self, parts, u_BRC, solved_BR), inverse_BRR)

    def draw(self, parts: _Parts, rng: np.random.Generator) -> _Drawn:
        """Functions of the prior, less their mean; what is smooth as a sum of waves (Rahimi and Recht 2007)."""
        problems, coordinates = parts.slope_BC.shape
        width_BC = np.full_like(parts.slope_BC, _HELD_SLOPE) if self.held else np.exp(parts.slope_BC)
        return _Drawn(
            level_B=np.sqrt(_LEVEL) * rng.standard_normal(problems),
            slope_BC=width_BC * rng.standard_normal((problems, coordinates)),
            size_B=np.exp(parts.bend_B) * np.sqrt(2.0 / _WAVES),
            turn_BCF=np.exp(parts.rate_BC)[:, :, None] * rng.standard_normal((problems, coordinates, _WAVES)),
            shift_BF=rng.uniform(0.0, 2.0 * np.pi, (problems, _WAVES)),
        )


class _Inner(NamedTuple):
    """What the derivatives are made of."""

    parts: _Parts
    u_BRC: Array
    solved_BR: Array
    pull_BRR: Array
    bend_BRR: Array


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Draws of the prior over u: level + Σ slope_j u_j + size Σ_f cos(Σ_j turn_jf u_j + shift_f)."""

    level_B: Array
    slope_BC: Array
    size_B: Array
    turn_BCF: Array
    shift_BF: Array

    def at(self, u_BNC: Array) -> Array:
        """B × N."""
        waves_BN = np.cos(np.matmul(u_BNC, self.turn_BCF) + self.shift_BF[:, None]).sum(axis=2)
        straight_BN = np.matmul(u_BNC, self.slope_BC[:, :, None])[:, :, 0]
        return np.asarray(self.level_B[:, None] + straight_BN + self.size_B[:, None] * waves_BN)

    def slope(self, u_B1C: Array) -> Array:
        """∂ / ∂u at one mixture: B × C."""
        falls_B1F = np.sin(np.matmul(u_B1C, self.turn_BCF) + self.shift_BF[:, None])
        waves_BC = np.matmul(falls_B1F, self.turn_BCF.transpose(0, 2, 1))[:, 0]
        return np.asarray(self.slope_BC - self.size_B[:, None] * waves_BC)


@dataclass(frozen=True, slots=True)
class Expected:
    """Processes conditioned on their runs, as functions: their means or draws of them, all that predictions need."""

    process: Process
    parts: _Parts
    u_BRC: Array
    solved_BR: Array
    prior: _Drawn | None = None

    @classmethod
    def joined(cls, process: Process, found: Sequence[Expected]) -> Expected:
        """Those of all problems of `process`, from those of its parts."""
        parts = _Parts(*(np.concatenate(each) for each in zip(*(one.parts for one in found), strict=True)))
        u_BRC = np.concatenate([one.u_BRC for one in found])
        return cls(process, parts, u_BRC, np.concatenate([one.solved_BR for one in found]))

    def at(self, weights_NC: Array) -> Array:
        """What is expected at each mixture: B × N."""
        u_BNC = returns(weights_NC, self.parts.scale_BC)
        from_runs_BN = np.matmul(self.covary(u_BNC), self.solved_BR[:, :, None])[:, :, 0]
        own_BN = 0.0 if self.prior is None else self.prior.at(u_BNC)
        return np.asarray(self.process.mean(u_BNC, self.parts) + from_runs_BN + own_BN)

    def covary(self, u_BNC: Array) -> Array:
        """The covariance of mixtures with the runs: B × N × R."""
        return self.process.linear(u_BNC, self.u_BRC, self.parts) + _smooth(u_BNC, self.u_BRC, self.parts)

    def gradient(self, weights_C: Array) -> Array:
        """∂ mean / ∂ weight at one mixture: B × C."""
        parts, here_1C = self.parts, weights_C[None]
        u_B1C = returns(here_1C, parts.scale_BC)
        smooth_BR = _smooth(u_B1C, self.u_BRC, parts)[:, 0] * self.solved_BR
        near_BC = u_B1C[:, 0] * smooth_BR.sum(axis=1)[:, None] - np.matmul(smooth_BR[:, None], self.u_BRC)[:, 0]
        slopes_BC = np.exp(parts.slope_BC)
        square_BC = np.full_like(slopes_BC, _HELD_SLOPE**2) if self.process.held else slopes_BC**2
        along_BC = square_BC * np.matmul(self.solved_BR[:, None], self.u_BRC)[:, 0]
        along_BC -= np.exp(2.0 * parts.rate_BC) * near_BC
        along_BC -= slopes_BC if self.process.held else 0.0
        along_BC += 0.0 if self.prior is None else self.prior.slope(u_B1C)
        return np.asarray(along_BC * by_share(here_1C, parts.scale_BC)[:, 0])


@dataclass(frozen=True, slots=True)
class Posterior:
    """Processes conditioned on their runs."""

    expected: Expected
    inverse_BRR: Array

    def draw(self, rng: np.random.Generator) -> Expected:
        """A draw of the functions themselves: one of the prior, put right by what it and a draw of the noise are off at
        the runs (Matheron's rule; Wilson et al. 2020, Efficiently sampling functions from Gaussian process posteriors,
        section 3).
        """
        expected, parts = self.expected, self.expected.parts
        prior = expected.process.draw(parts, rng)
        noise_BR = np.exp(parts.noise_B)[:, None] * rng.standard_normal(expected.solved_BR.shape)
        off_BR = _times(self.inverse_BRR, prior.at(expected.u_BRC) + noise_BR)
        return replace(expected, solved_BR=expected.solved_BR - off_BR, prior=prior)

    def at(self, weights_NC: Array) -> tuple[Array, Array]:
        """Mean and variance of a new run's target at each mixture, noise included: B × N each."""
        process, parts = self.expected.process, self.expected.parts
        u_BNC = returns(weights_NC, parts.scale_BC)
        with_BNR = self.expected.covary(u_BNC)
        mean_BN = process.mean(u_BNC, parts) + np.matmul(with_BNR, self.expected.solved_BR[:, :, None])[:, :, 0]
        known_BN = (np.matmul(with_BNR, self.inverse_BRR) * with_BNR).sum(axis=2)
        square_BC = np.exp(2.0 * parts.slope_BC) if not process.held else np.full(u_BNC.shape[::2], 1e-2)
        own_BN = _LEVEL + (u_BNC**2 * square_BC[:, None, :]).sum(axis=2) + np.exp(2.0 * parts.bend_B)[:, None]
        noise_B1 = np.exp(2.0 * parts.noise_B)[:, None] + _JITTER
        return mean_BN, np.maximum(own_BN - known_BN, 0.0) + noise_B1


def _times(matrix_BRR: Array, vector_BR: Array) -> Array:
    return np.asarray(np.matmul(matrix_BRR, vector_BR[:, :, None])[:, :, 0])


def _smooth(u_BNC: Array, u_BRC: Array, parts: _Parts) -> Array:
    """The covariance of what is neither level nor slope: B × N × R."""
    rate_B1C = np.exp(parts.rate_BC)[:, None, :]
    left_BNC, right_BRC = u_BNC * rate_B1C, u_BRC * rate_B1C
    apart_BNR = (left_BNC**2).sum(axis=2)[:, :, None] + (right_BRC**2).sum(axis=2)[:, None, :]
    apart_BNR -= 2.0 * np.matmul(left_BNC, right_BRC.transpose(0, 2, 1))
    return np.asarray(np.exp(2.0 * parts.bend_B[:, None, None] - 0.5 * np.maximum(apart_BNR, 0.0)))


def _parts(at_BP: Array) -> _Parts:
    coordinates = (at_BP.shape[1] - 2) // 3
    slope_BC, rate_BC, scale_BC = np.split(at_BP[:, :-2], [coordinates, 2 * coordinates], axis=1)
    return _Parts(slope_BC, rate_BC, scale_BC, at_BP[:, -2], at_BP[:, -1])


def _spread(five: tuple[float, ...] | list[float], coordinates: int) -> Array:
    """A value for each kind of parameter → one for each parameter."""
    return np.repeat(np.array(five), [coordinates, coordinates, coordinates, 1, 1])
