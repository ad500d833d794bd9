"""Which runs to ask for next, and how sure the mix that is decided now is: what the runs so far leave unknown there.

A `Belief` says how far the true metrics may be from the fitted laws: per metric a Gaussian process that varies as the
law does when its parameters change (`Sensitivity`), and less in every other smooth way, given the mixtures that were
run. From it come draws of the slopes d by which the objective differs from the laws around the decided mix x. With F
the objective under the laws, F − λ KL convex and x its optimum, no mix y is better than x by more than what
d·(x − y) − λ KL(y ‖ x) reaches at most, and that is reached at the tilt y ∝ x exp(−d / λ):

    regret ≤ d·x + λ log Σ_j x_j exp(−d_j / λ)

This is the regret of a draw (`regrets`), whatever bounds the mix keeps: they only take away from it. The tilts are
where the optimum may yet turn out to be, so the next run is the one that lowers the variance of the differences between
the objective at the tilts and at x most, given the runs before it (`ask`); a batch counts its earlier runs as known.

Source of the parts: Frazier, Powell and Dayanik 2009 (knowledge gradient, correlated beliefs), Cohn 1996 (choosing by
variance), MacKay 1992 (laws linear around their mode). Array dimensions: N candidates, T draws, C coordinates, K runs,
M metrics, P points, F parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.mixture import GRID, GridMixture
from olmixctl.swarm.candidates import inside, pool_of
from olmixctl.swarm.limits import ceilings_of, on_grid
from olmixctl.swarm.model import SwarmProblem

__all__ = ["Belief", "Decided", "Sensitivity", "ask", "bounds", "regrets"]

Array = NDArray[np.float64]

RATE = 0.5
"""How fast what no parameter of a law explains varies with returns of scale `_SCALE`."""
_SCALE = 0.02
_DRAWS, _POOL = 64, 384
_STEP = 0.5
"""Slopes are taken over this part of a share, so that steep beginnings of a law do not count as if they went on."""
_LEAST_STEP = 0.004
_FURTHEST = 2.5
"""Tilts change no share by more than this in logarithms."""
_BETWEEN = (0.25, 0.5, 1.0)
_DIGITS = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """How fitted laws change with their parameters.

    Attributes:
        features: mixtures (N × C) → change of each metric when a parameter moves by its prior standard deviation:
            M × N × F.
        noise_M: standard deviation of a repeated run.
        bend_M: standard deviation of what no parameter explains and is no noise either.
        share_M: weights of the metrics in the objective, summing to one.
    """

    features: Callable[[Array], Array]
    noise_M: Array
    bend_M: Array
    share_M: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """The mix decided now, over coordinates that can be sampled.

    Attributes:
        point_C: its shares.
        kl: λ, positive.
    """

    point_C: Array
    kl: float


class Belief:
    """How far the metrics may be from the laws, given the mixtures of the runs.

    Args:
        weights_KC: mixtures of the runs, in any order.
        sensitivity: of the laws.
    """

    def __init__(self, weights_KC: Array, sensitivity: Sensitivity) -> None:
        self.sensitivity = sensitivity
        self.known_KC = weights_KC[np.lexsort(weights_KC.T)]
        known_MKK = self.prior(self.known_KC, self.known_KC)
        known_MKK = known_MKK + sensitivity.noise_M[:, None, None] ** 2 * np.eye(len(weights_KC))
        self._inverse_MKK = np.linalg.inv(known_MKK)

    def prior(self, left_NC: Array, right_PC: Array) -> Array:
        """Covariance of the metrics at two sets of points before any run: M × N × P."""
        features = self.sensitivity.features
        bent_NC, bent_PC = np.log1p(left_NC / _SCALE), np.log1p(right_PC / _SCALE)
        apart_NP = (bent_NC**2).sum(axis=1)[:, None] + (bent_PC**2).sum(axis=1) - 2.0 * bent_NC @ bent_PC.T
        rate = RATE / np.log1p(1.0 / _SCALE)
        smooth_NP = np.exp(-0.5 * rate**2 * np.maximum(apart_NP, 0.0))
        along_MNP = np.matmul(features(left_NC), features(right_PC).transpose(0, 2, 1))
        return np.asarray(along_MNP + self.sensitivity.bend_M[:, None, None] ** 2 * smooth_NP)

    def covariance(self, left_NC: Array, right_PC: Array) -> Array:
        """Covariance of the metrics at two sets of points: M × N × P."""
        return np.asarray(self.prior(left_NC, right_PC) - self.explained(left_NC) @ self.prior(self.known_KC, right_PC))

    def explained(self, points_NC: Array) -> Array:
        """How much of what the runs differ by passes to each point: M × N × K."""
        return np.asarray(self.prior(points_NC, self.known_KC) @ self._inverse_MKK)

    def variances(self, points_PC: Array) -> Array:
        """Variance of each metric at each point: M × P."""
        with_MPK = self.prior(points_PC, self.known_KC)
        own_MP = (self.sensitivity.features(points_PC) ** 2).sum(axis=2) + self.sensitivity.bend_M[:, None] ** 2
        return np.asarray(np.maximum(own_MP - ((with_MPK @ self._inverse_MKK) * with_MPK).sum(axis=2), 0.0))

    def slopes(self, at_C: Array) -> Array:
        """Covariance of the slopes of the objective around a mix, each from it towards one coordinate: C × C."""
        step_C = np.maximum(_STEP * at_C, _LEAST_STEP)
        points_PC = np.concatenate([at_C[None], at_C + step_C[:, None] * (np.eye(len(at_C)) - at_C)])
        turn_CP = np.concatenate([-np.ones((len(at_C), 1)), np.eye(len(at_C))], axis=1) / step_C[:, None]
        covariance_PP = np.tensordot(self.sensitivity.share_M**2, self.covariance(points_PC, points_PC), axes=1)
        return np.asarray(turn_CP @ covariance_PP @ turn_CP.T)


def regrets(belief: Belief, decided: Decided, seed: int, draws: int = 512) -> Array:
    """Regret of the decided mix in every draw, at most, ascending: T."""
    return np.sort(bounds(decided, _slope_draws(belief, decided, seed, draws)))


def bounds(decided: Decided, slopes_TC: Array) -> Array:
    """The most that any mix can be better than the decided one, were the objective off by these slopes: T."""
    lowest_T = slopes_TC.min(axis=1)
    inner_T = decided.kl * np.log(np.exp((lowest_T[:, None] - slopes_TC) / decided.kl) @ decided.point_C) - lowest_T
    return np.asarray(np.maximum(slopes_TC @ decided.point_C + inner_T, 0.0))


def ask(problem: SwarmProblem, belief: Belief, decided: Decided, known: int) -> tuple[GridMixture, ...]:
    """The next `problem.count` mixtures, on the grid of millionths, in the order in which they say most.

    They differ from each other and keep the proxy's data limits; fewer where the limits leave no more.

    Args:
        problem: coordinates, prior, limits, seed, and how many.
        belief: after the runs so far, over the coordinates that have a prior and room, in order.
        decided: the mix as it would be decided now, over the same.
        known: how many runs there are.
    """
    ceilings = ceilings_of(problem)
    caps_C = np.array([points / GRID for points in ceilings.values()])
    tilts_TC = _tilts(decided, _slope_draws(belief, decided, problem.seed, _DRAWS))
    candidates_NC = _candidates(problem, decided, tilts_TC, caps_C, known)
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
        self._belief, self._candidates_NC = belief, candidates_NC
        self._explained_MNK = belief.explained(candidates_NC)
        around_MNT = self._covariance(np.concatenate([tilts_TC, at_C[None]]))
        self._to_MNT = around_MNT[:, :, :-1] - around_MNT[:, :, -1:]
        self._own_MN = belief.variances(candidates_NC)
        self._open_N = np.ones(len(candidates_NC), dtype=bool)
        self._rows: list[Array] = []

    def _covariance(self, points_PC: Array) -> Array:
        """Covariance of the metrics at candidates and points, before what is added here: M × N × P."""
        known_MKP = self._belief.prior(self._belief.known_KC, points_PC)
        return np.asarray(self._belief.prior(self._candidates_NC, points_PC) - self._explained_MNK @ known_MKP)

    def best(self) -> int:
        """The candidate that lowers the mean variance of the differences most."""
        share_M, noise_M1 = self._belief.sensitivity.share_M, self._belief.sensitivity.noise_M[:, None]
        gain_N = share_M**2 @ ((self._to_MNT**2).mean(axis=2) / (self._own_MN + noise_M1**2))
        gain_N = np.where(self._open_N, gain_N, -1.0)
        top = float(gain_N.max())
        # To nine digits, so that no processor's last bits choose; where nothing is unknown, the first that is open.
        return int(np.argmax(np.round(gain_N / top, _DIGITS) if top > 0 else self._open_N))

    def add(self, row: int) -> None:
        """A run at this candidate will be known."""
        along_MN = self._covariance(self._candidates_NC[[row]])[:, :, 0]
        for earlier_MN in self._rows:
            along_MN = along_MN - earlier_MN * earlier_MN[:, row, None]
        spread_M1 = np.sqrt(self._own_MN[:, row] + self._belief.sensitivity.noise_M**2)[:, None]
        along_MN = along_MN / spread_M1
        self._rows.append(along_MN)
        self._to_MNT = self._to_MNT - along_MN[:, :, None] * (self._to_MNT[:, row] / spread_M1)[:, None, :]
        self._own_MN = np.maximum(self._own_MN - along_MN**2, 0.0)
        self._open_N[row] = False


def _slope_draws(belief: Belief, decided: Decided, seed: int, draws: int) -> Array:
    """Draws of the slopes by which the objective differs from the laws', in pairs of opposite sign: T × C."""
    values_C, vectors_CC = np.linalg.eigh(belief.slopes(decided.point_C))
    # The symmetric root: no draw depends on the signs of eigenvectors.
    root_CC = (vectors_CC * np.sqrt(np.maximum(values_C, 0.0))) @ vectors_CC.T
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, 78))))
    away_TC = rng.standard_normal((draws // 2, len(root_CC))) @ root_CC
    return np.concatenate([away_TC, -away_TC])


def _tilts(decided: Decided, slopes_TC: Array) -> Array:
    """Where the optimum may turn out to be: T × C."""
    logs_TC = -slopes_TC / decided.kl
    logs_TC = np.clip(logs_TC - (logs_TC @ decided.point_C)[:, None], -_FURTHEST, _FURTHEST)
    tilts_TC = decided.point_C * np.exp(logs_TC)
    return np.asarray(tilts_TC / tilts_TC.sum(axis=1, keepdims=True))


def _candidates(problem: SwarmProblem, decided: Decided, tilts_TC: Array, caps_C: Array, known: int) -> Array:
    """Tilts, designed points, points between them and the decided mix, and the mix with a coordinate lifted: N × C."""
    prior_C = np.array([problem.prior[name] for name in ceilings_of(problem)])
    prior_C = prior_C / prior_C.sum()
    at_C = decided.point_C
    pool_NC = inside(pool_of(prior_C, problem.seed, known, _POOL), caps_C, prior_C)
    between = [at_C + part * (pool_NC - at_C) for part in _BETWEEN]
    lifted = [at_C + part * (np.eye(len(at_C)) - at_C) for part in (0.1, 0.3, 0.6, 0.95)]
    every_NC = inside(np.concatenate([tilts_TC, *between, *lifted]), caps_C, prior_C)
    every_NC = every_NC / every_NC.sum(axis=1, keepdims=True)
    _, first_N = np.unique(np.round(every_NC * GRID), axis=0, return_index=True)
    return np.asarray(every_NC[np.sort(first_N)])
