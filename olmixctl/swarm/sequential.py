"""Which runs to ask for next, and how sure the mix that is decided now is: what the runs so far leave unknown there.

`Belief` is a Gaussian process over mixtures, the one that `information` chooses designs by, given the runs and with its
sizes from their marginal likelihood. From it come draws of the slopes of the objective around the decided mix x. With
F − λ KL convex, x its optimum, and the true objective differing from F by slopes d, no mix y is better than x by more
than what d·(x − y) − λ KL(y ‖ x) reaches at most, and at the tilt y ∝ x exp(−d / λ) it does:

    regret ≤ d·x + λ log Σ_j x_j exp(−d_j / λ)

That is the regret of a draw (`regrets`), whatever bounds the mix keeps: they only take away from it. The tilts are where
the optimum may yet turn out to be, so the next run is the one that lowers the variance of the differences between the
objective at the tilts and at x most, given the runs before it (`ask`); each batch counts its own earlier runs as known.

Source of the parts: Frazier, Powell and Dayanik 2009 (knowledge gradient, correlated beliefs), Cohn 1996 (choosing by
variance). Array dimensions: N candidates, T draws, C coordinates, K runs, M metrics, P points, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from olmixctl.mixture import GRID, GridMixture
from olmixctl.swarm.candidates import inside, pool_of
from olmixctl.swarm.limits import ceilings_of, on_grid
from olmixctl.swarm.model import SwarmProblem

__all__ = ["Belief", "Decided", "ask", "regrets"]

Array = NDArray[np.float64]

_SCALES = (0.003, 0.02, 0.1, 1.0)
_LEVEL = 100.0
_NOISES, _BENDS = (0.03, 0.1, 0.3, 1.0), (0.03, 0.3, 1.0)
_RATE = 0.5
_DRAWS, _POOL = 64, 384
_STEP = 0.5
"""Slopes are taken over this part of a share, so that steep beginnings of a law do not count as if they went on."""
_LEAST_STEP = 0.004
_FURTHEST = 2.5
"""Tilts change no share by more than this in logarithms."""
_BETWEEN = (0.25, 0.5, 1.0)
_DIGITS = 9
_CLOSE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """The mix decided now, in coordinates whose reference is positive.

    Attributes:
        point_C: its shares.
        kl: λ, or what else bends the objective; positive.
        slopes_C: ∂ of the predicted objective without KL, by the laws it was decided with.
    """

    point_C: Array
    kl: float
    slopes_C: Array


class Belief:
    """What is believed of the objective (without KL), given runs.

    Args:
        weights_KC: mixtures of the runs.
        losses_KM: their metrics.
        share_M: weights of the metrics in the objective, summing to one.
    """

    def __init__(self, weights_KC: Array, losses_KM: Array, share_M: Array) -> None:
        order_K = np.lexsort(np.concatenate([losses_KM, weights_KC], axis=1).T)
        self._features_KF = _features(weights_KC[order_K])
        scale_M = np.maximum(losses_KM.std(axis=0), 1e-9 * np.abs(losses_KM).max(axis=0))
        losses_KM = losses_KM[order_K]
        every_KM = np.concatenate([losses_KM[:, scale_M > 0] / scale_M[scale_M > 0]], axis=1)
        every_KM = every_KM - every_KM.mean(axis=0)
        value_K = losses_KM @ share_M
        self.mean = float(value_K.mean())
        self.noise, self.bend = _sizes(self._features_KF, every_KM)
        known_KK = self._prior(self._features_KF, self._features_KF) + self.noise**2 * np.eye(len(value_K))
        self._inverse_KK = np.linalg.inv(known_KK)
        self._solved_K = self._inverse_KK @ (value_K - self.mean)
        quadratic = float((value_K - self.mean) @ self._solved_K)
        self.unit = float(np.sqrt(max(quadratic, 0.0) / len(value_K)))

    def _prior(self, left_NF: Array, right_PF: Array) -> Array:
        return _covariance(left_NF, right_PF, self.bend)

    def means(self, points_PC: Array) -> Array:
        """The objective expected at each point: P."""
        return np.asarray(self.mean + self._prior(_features(points_PC), self._features_KF) @ self._solved_K)

    def covariance(self, left_NC: Array, right_PC: Array) -> Array:
        """Covariance of the objective at two sets of points, in squared units of `unit`: N × P."""
        left_NF, right_PF = _features(left_NC), _features(right_PC)
        left_NK, right_PK = (self._prior(part, self._features_KF) for part in (left_NF, right_PF))
        return np.asarray(self._prior(left_NF, right_PF) - left_NK @ self._inverse_KK @ right_PK.T)

    def slopes(self, at_C: Array) -> tuple[Array, Array]:
        """Mean and covariance of the slopes around a mix, each from it towards one coordinate: C and C × C."""
        step_C = np.maximum(_STEP * at_C, _LEAST_STEP)
        points_PC = np.concatenate([at_C[None], at_C + step_C[:, None] * (np.eye(len(at_C)) - at_C)])
        turn_CP = np.concatenate([-np.ones((len(at_C), 1)), np.eye(len(at_C))], axis=1) / step_C[:, None]
        covariance_PP = self.covariance(points_PC, points_PC)
        return turn_CP @ self.means(points_PC), self.unit**2 * (turn_CP @ covariance_PP @ turn_CP.T)


def regrets(belief: Belief, decided: Decided, seed: int, draws: int = 512) -> Array:
    """Regret of the decided mix in every draw, at most, ascending: T."""
    slopes_TC = _slope_draws(belief, decided, seed, draws)
    x_C, kl = decided.point_C, decided.kl
    lowest_T1 = slopes_TC.min(axis=1, keepdims=True)
    inner_T = np.log(np.exp(-(slopes_TC - lowest_T1) / kl) @ x_C) * kl - lowest_T1[:, 0]
    return np.sort(np.maximum(slopes_TC @ x_C + inner_T, 0.0))


def ask(problem: SwarmProblem, belief: Belief, decided: Decided, known_KC: Array) -> tuple[GridMixture, ...]:
    """The next `problem.count` mixtures, on the grid of millionths, in the order in which they say most.

    They differ from each other and keep the proxy's data limits; fewer where the limits leave no more.

    Args:
        problem: coordinates, prior, limits, seed, and how many.
        belief: after the runs so far, over the coordinates that have a prior and room, in order.
        decided: the mix as it would be decided now, over the same.
        known_KC: mixtures of the runs so far, over the same.
    """
    ceilings = ceilings_of(problem)
    caps_C = np.array([points / GRID for points in ceilings.values()])
    tilts_TC = _tilts(decided, _slope_draws(belief, decided, problem.seed, _DRAWS))
    candidates_NC = _candidates(problem, decided, tilts_TC, caps_C, len(known_KC))
    unknown = _Differences(belief, candidates_NC, tilts_TC, decided.point_C)
    found: list[GridMixture] = []
    for _ in range(len(candidates_NC)):
        if len(found) == problem.count:
            break
        row = unknown.best()
        unknown.add(row)
        mixture = on_grid(candidates_NC[row], ceilings, problem.coordinates.names)
        if mixture not in found:
            found.append(mixture)
    return tuple(found)


class _Differences:
    """What is unknown of the differences between the objective at tilts and at the decided mix."""

    def __init__(self, belief: Belief, candidates_NC: Array, tilts_TC: Array, at_C: Array) -> None:
        self._to_NT = belief.covariance(candidates_NC, tilts_TC) - belief.covariance(candidates_NC, at_C[None])
        self._own_NN = belief.covariance(candidates_NC, candidates_NC)
        self._noise = belief.noise**2
        self._open_N = np.ones(len(candidates_NC), dtype=bool)

    def best(self) -> int:
        """The candidate that lowers the mean variance of the differences most."""
        gain_N = (self._to_NT**2).mean(axis=1) / (np.maximum(np.diag(self._own_NN), 0.0) + self._noise)
        gain_N = np.where(self._open_N, gain_N, -1.0)
        return int(np.argmax(np.round(gain_N / max(float(gain_N.max()), 1e-300), _DIGITS)))

    def add(self, row: int) -> None:
        """A run at this candidate will be known."""
        spread = self._own_NN[row, row] + self._noise
        along_N = self._own_NN[:, row] / spread
        self._to_NT = self._to_NT - along_N[:, None] * self._to_NT[row]
        self._own_NN = self._own_NN - along_N[:, None] * self._own_NN[row]
        self._open_N[row] = False


def _slope_draws(belief: Belief, decided: Decided, seed: int, draws: int) -> Array:
    """Draws of the slopes by which the true objective differs from the laws', in pairs around their mean: T × C."""
    mean_C, covariance_CC = belief.slopes(decided.point_C)
    apart_C = mean_C - (decided.slopes_C - decided.slopes_C @ decided.point_C)
    values_C, vectors_CC = np.linalg.eigh(covariance_CC)
    root_CC = (vectors_CC * np.sqrt(np.maximum(values_C, 0.0))) @ vectors_CC.T
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, 78))))
    away_TC = rng.standard_normal((draws // 2, len(mean_C))) @ root_CC
    return np.concatenate([apart_C + away_TC, apart_C - away_TC])


def _tilts(decided: Decided, slopes_TC: Array) -> Array:
    """Where the optimum may turn out to be: T × C."""
    logs_TC = -slopes_TC / decided.kl
    logs_TC = np.clip(logs_TC - (logs_TC @ decided.point_C)[:, None], -_FURTHEST, _FURTHEST)
    tilts_TC = decided.point_C * np.exp(logs_TC)
    return np.asarray(tilts_TC / tilts_TC.sum(axis=1, keepdims=True))


def _candidates(problem: SwarmProblem, decided: Decided, tilts_TC: Array, caps_C: Array, round_: int) -> Array:
    """Tilts, designed points, points between them and the decided mix, and the mix with one coordinate lifted."""
    prior_C = np.array([problem.prior[name] for name in ceilings_of(problem)])
    prior_C = prior_C / prior_C.sum()
    at_C = decided.point_C
    pool_NC = inside(pool_of(prior_C, problem.seed, round_, _POOL), caps_C, prior_C)
    between = [at_C + part * (pool_NC - at_C) for part in _BETWEEN]
    lifted = [at_C + part * (np.eye(len(at_C)) - at_C) for part in (0.1, 0.3)]
    every_NC = inside(np.concatenate([tilts_TC, *between, *lifted]), caps_C, prior_C)
    return np.asarray(every_NC / every_NC.sum(axis=1, keepdims=True))


def _features(weights_NC: Array) -> Array:
    columns = [np.log1p(weights_NC / scale) / np.log1p(1.0 / scale) for scale in _SCALES]
    return np.asarray(np.concatenate(columns, axis=1) / np.sqrt(len(_SCALES)))


def _covariance(left_NF: Array, right_PF: Array, bend: float) -> Array:
    inner_NP = left_NF @ right_PF.T
    apart_NP = (left_NF**2).sum(axis=1)[:, None] + (right_PF**2).sum(axis=1) - 2.0 * inner_NP
    return np.asarray(_LEVEL + inner_NP + bend**2 * np.exp(-0.5 * _RATE**2 * np.maximum(apart_NP, 0.0)))


def _sizes(features_KF: Array, values_KM: Array) -> tuple[float, float]:
    """Noise and bend of greatest marginal likelihood over all metrics, each with a size of its own."""
    runs = len(values_KM)
    best, found = np.inf, (_NOISES[1], _BENDS[1])
    for noise, bend in product(_NOISES, _BENDS):
        known_KK = _covariance(features_KF, features_KF, bend) + noise**2 * np.eye(runs)
        root_KK = np.linalg.cholesky(known_KK)
        white_KM = np.linalg.solve(root_KK, values_KM)
        square_M = (white_KM**2).sum(axis=0)
        loss = float((0.5 * runs * np.log(square_M + 1e-9)).sum())
        loss += values_KM.shape[1] * float(np.log(np.diag(root_KK)).sum())
        if loss < best - _CLOSE * abs(best) or not np.isfinite(best):
            best, found = loss, (noise, bend)
    return found
