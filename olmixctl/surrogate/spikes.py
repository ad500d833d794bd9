"""Loss spikes: runs whose metrics stand so far above what all other runs say that they tell nothing of their mixture.

One such run among forty costs a process more ranks than half of the runs would (docs/numerics.md), so it is left out,
and said to be. In two steps, since most runs that look odd from afar are at the border of the swarm:

1. Under one rough process for all metrics (fixed covariance, linear algebra alone) each run is predicted from the
   others. Looked at are those that are off, in the middle of their metrics, by `_ODD` times what runs usually are.
2. A process is fitted to the others, which knows its noise and how sure it is of each mixture. A spike is what is
   `_SURE` of its standard deviations above the prediction, in the middle of its metrics.

Array dimensions: R runs, I of them kept, C coordinates, M metrics, K that move, N runs looked at, X features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.model import Array, Evidence
from olmixctl.surrogate.returns import returns
from olmixctl.surrogate.targets import Targets

__all__ = ["LEAST_RUNS", "Spike", "without_spikes"]

LEAST_RUNS = 12
"""Among fewer runs nothing tells a spike from a mixture unlike the others."""
_ODD, _ODD_OF_FEW, _FEW = 3.5, 2.5, 32
"""Of so few runs the others say little of each, a spike stands out less, and the second step costs next to nothing."""
_SURE = 8.0
_MOST = 0.1
"""Of all runs: where more look odd it is the process that does not describe them."""
_ROUNDS = 10
# The rough process, in robust standard deviations of each metric.
_SCALES = (0.003, 0.02, 0.1)
_LEVEL, _SLOPE, _BEND, _RATE, _NOISE = 4.0, 0.25, 0.25, 0.25, 0.01
_TINY = 1e-12
_ROBUST = 1.4826
"""Standard deviations in a median absolute deviation, of normal numbers."""


class Spike(NamedTuple):
    """A run that was left out, and how many standard deviations it is above what the others say."""

    run: str
    above: float


def without_spikes(evidence: Evidence) -> tuple[Evidence, tuple[Spike, ...]]:
    """The runs that belong together, and those left out, in their order; what is kept has no spikes."""
    if len(evidence.runs) < LEAST_RUNS:
        return evidence, ()
    odd_R = _odd(evidence)
    if not odd_R.any() or odd_R.mean() > _MOST:
        return evidence, ()
    fit = Gaussian().fit(evidence.subset(~odd_R))
    weights_NC = evidence.weights_RC[odd_R]
    moving_M = np.ptp(evidence.losses_RM[~odd_R], axis=0) > 0
    away_NM = (evidence.losses_RM[odd_R] - fit.predict(weights_NC))[:, moving_M] / fit.spread(weights_NC)[:, moving_M]
    above_N = np.median(away_NM, axis=1)
    named = zip(np.flatnonzero(odd_R).tolist(), above_N.tolist(), strict=True)
    spikes = {row: above for row, above in named if above > _SURE}
    if not spikes:
        return evidence, ()
    keep_R = ~np.isin(np.arange(len(odd_R)), list(spikes))
    return evidence.subset(keep_R), tuple(Spike(evidence.runs[row], above) for row, above in spikes.items())


def _odd(evidence: Evidence) -> NDArray[np.bool_]:
    """Which runs are looked at: found anew without those found, until they stay the same."""
    covariance_RR, values_RK = _covariance(evidence.weights_RC), Targets.of(evidence).on(evidence).values_KR.T
    odd_R = np.zeros(len(evidence.runs), dtype=bool)
    for _ in range(_ROUNDS):
        after_R = _odd_among(covariance_RR, values_RK, ~odd_R)
        if np.array_equal(after_R, odd_R):
            break
        odd_R = after_R
    return odd_R


def _odd_among(covariance_RR: Array, values_RK: Array, keep_R: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Runs that are off from what the kept ones say: these from all others of them, the rest from all of them."""
    middle_K = np.median(values_RK[keep_R], axis=0)
    spread_K = _ROBUST * np.median(np.abs(values_RK[keep_R] - middle_K), axis=0)
    if not (spread_K > 0).any():
        return np.zeros(len(keep_R), dtype=bool)
    values_RK = (values_RK - middle_K)[:, spread_K > 0] / spread_K[spread_K > 0]
    inverse_II = np.linalg.inv(covariance_RR[np.ix_(keep_R, keep_R)])
    # Leave-one-out residuals and their variances of a process (Rasmussen and Williams 2006, section 5.4.2).
    solved_IK, variance_R, off_RK = inverse_II @ values_RK[keep_R], np.empty(len(keep_R)), np.empty_like(values_RK)
    variance_R[keep_R] = 1.0 / np.diag(inverse_II)
    off_RK[keep_R] = solved_IK * variance_R[keep_R][:, None]
    with_NI = covariance_RR[np.ix_(~keep_R, keep_R)]
    variance_R[~keep_R] = np.diag(covariance_RR)[~keep_R] - ((with_NI @ inverse_II) * with_NI).sum(axis=1)
    off_RK[~keep_R] = values_RK[~keep_R] - with_NI @ solved_IK
    away_RK = off_RK / np.sqrt(variance_R)[:, None]
    usual_K = _ROBUST * np.median(np.abs(away_RK[keep_R]), axis=0)
    limit = _ODD if len(keep_R) > _FEW else _ODD_OF_FEW
    return np.asarray(np.median(away_RK / np.maximum(usual_K, _TINY), axis=1) > limit)


def _covariance(weights_RC: Array) -> Array:
    """Level, slopes and a smooth part over diminishing returns of every domain, and noise: R × R."""
    scales = [np.full((1, weights_RC.shape[1]), np.log(scale)) for scale in _SCALES]
    features_RX = np.concatenate([returns(weights_RC, scale)[0] for scale in scales], axis=1) / np.sqrt(len(_SCALES))
    linear_RR = features_RX @ features_RX.T
    square_R = np.diag(linear_RR)
    apart_RR = np.maximum(square_R[:, None] + square_R - 2.0 * linear_RR, 0.0)
    smooth_RR = _BEND * np.exp(-0.5 * _RATE * apart_RR)
    return np.asarray(_LEVEL + _SLOPE * linear_RR + smooth_RR + _NOISE * np.eye(len(weights_RC)))
