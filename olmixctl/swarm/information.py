"""How much a mixture would say: what a smooth law with diminishing returns does not know yet, and how runs lower it.

The laws that will be fitted are taken as draws of one Gaussian process over mixtures (the prior of the surrogate
`gaussian`, its slopes and rates at typical values), with u_js = log(1 + p_j/s) / log(1 + 1/s) at three scales s:

    k(p, q) = 4 + a² Σ_js u_js(p) u_js(q) + A² exp(−½ r² Σ_js (u_js(p) − u_js(q))²),   noise ν² a run

A run's losses do not enter: the variance that a set of runs leaves anywhere depends on their mixtures alone. `Unknown`
holds it and picks the mixture that lowers its mean over a region most (I-optimality; Cohn 1996, "active learning with
statistical models"; Krause et al. 2008 for greedy choice).

Array dimensions: N candidates, T points of the region, K mixtures already known, J those picked here, C coordinates,
F features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Unknown", "features"]

Array = NDArray[np.float64]

SCALES = (0.003, 0.02, 0.1)
"""Shares at which returns diminish: a few tenths of a percent, a few percent, a tenth."""
SLOPE, RATE, BEND, NOISE = 0.5, 0.5, 0.5, 0.2
"""In units of the standard deviation of a metric over the swarm, as in the surrogate."""
_LEVEL = 4.0
_CLOSE = 0.98
"""Candidates whose gain is at least this part of the best are as good; the one furthest from the others is taken."""
_DIGITS = 9


def features(weights_NC: Array) -> Array:
    """Diminishing returns of every coordinate at every scale, so that their squares sum as one scale's would: N × F."""
    columns = [np.log1p(weights_NC / scale) / np.log1p(1.0 / scale) for scale in SCALES]
    return np.asarray(np.concatenate(columns, axis=1) / np.sqrt(len(SCALES)))


def _covariance(left_NF: Array, right_MF: Array) -> Array:
    """Prior covariance of the law at two sets of mixtures: N × M."""
    inner_NM = left_NF @ right_MF.T
    apart_NM = (left_NF**2).sum(axis=1)[:, None] + (right_MF**2).sum(axis=1) - 2.0 * inner_NM
    smooth_NM = np.exp(-0.5 * RATE**2 * np.maximum(apart_NM, 0.0))
    return np.asarray(_LEVEL + SLOPE**2 * inner_NM + BEND**2 * smooth_NM)


class Unknown:
    """What is not known at candidates and over a region, given the mixtures of earlier runs.

    Args:
        candidates_NC: mixtures to pick from.
        region_TC: where the law should be known.
        known_KC: mixtures of runs that exist.
    """

    def __init__(self, candidates_NC: Array, region_TC: Array, known_KC: Array) -> None:
        self._features_NF = features(candidates_NC)
        region_TF, self._known_KF = features(region_TC), features(known_KC)
        known_KK = _covariance(self._known_KF, self._known_KF) + NOISE**2 * np.eye(len(known_KC))
        with_NK = _covariance(self._features_NF, self._known_KF)
        self._weights_KN = np.linalg.solve(known_KK, with_NK.T)
        prior_NT = _covariance(self._features_NF, region_TF)
        self._to_region_NT = prior_NT - self._weights_KN.T @ _covariance(self._known_KF, region_TF)
        self._own_N = _LEVEL + SLOPE**2 * (self._features_NF**2).sum(axis=1) + BEND**2
        self._own_N = self._own_N - (with_NK * self._weights_KN.T).sum(axis=1)
        self._with_NK = with_NK
        self._rows_JN: list[Array] = []

    def gains(self) -> Array:
        """How much a run at each candidate lowers the variance over the region, in mean: N."""
        return np.asarray((self._to_region_NT**2).mean(axis=1) / (np.maximum(self._own_N, 0.0) + NOISE**2))

    def add(self, candidate: int) -> None:
        """A run at this candidate will be known."""
        around_N = _covariance(self._features_NF, self._features_NF[[candidate]])[:, 0]
        around_N -= self._with_NK @ self._weights_KN[:, candidate]
        for row_N in self._rows_JN:
            around_N -= row_N * row_N[candidate]
        spread = float(np.sqrt(max(self._own_N[candidate], 0.0) + NOISE**2))
        row_N = around_N / spread
        self._rows_JN.append(row_N)
        self._to_region_NT -= row_N[:, None] * (self._to_region_NT[candidate] / spread)
        self._own_N = self._own_N - row_N**2


def best(gains_N: Array, distance_N: Array) -> int:
    """The candidate that says most; of those that say nearly as much, the one furthest from earlier mixtures.

    Values are compared to nine digits, so that no processor's last bits choose; equal ones go to the first.
    """
    top = float(gains_N.max())
    rounded_N = np.round(gains_N / top, _DIGITS) if top > 0 else np.zeros_like(gains_N)
    close_N = rounded_N >= _CLOSE * float(rounded_N.max())
    far_N = np.where(close_N, np.round(distance_N, _DIGITS), -np.inf)
    return int(np.argmax(np.where(far_N == far_N.max(), rounded_N, -np.inf)))
